//! The laboratory: random networks, the numbers of textbooks, the table of goodput, the pictures.
mod congestion;
mod goodput;
mod pages;
mod random;
