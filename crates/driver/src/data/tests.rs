//! Data, measured on a network small enough to count by hand.
