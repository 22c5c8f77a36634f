//! The calling thread.
unsafe extern "C" {
    safe fn pthread_self() -> usize;
}

/// A number that no other living thread of the process has; never 0. No system call.
pub fn current() -> usize {
    pthread_self()
}
