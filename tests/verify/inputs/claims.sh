#!/bin/sh
# A solver that claims unsat without reading the question, and fails.
echo unsat
exit 1
