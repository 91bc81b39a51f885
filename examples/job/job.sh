#!/bin/sh
# Starts a worker for each line of the file parts, and waits for them all. A plain wait ends with 0 however they ended:
# that is the mistake.
while read -r mib; do
	python3 work.py "$mib" &
done <parts
wait
echo "all parts are done"
