//! What to do when something happened: a pure function, without clock and I/O.
