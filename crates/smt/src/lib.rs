//! SMT-LIB lowering and solver backends.
