//! UDP. (being built)
