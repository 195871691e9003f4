# Everything is in tools/bootstrap.py, which also runs where there is no make. Arguments: make test ARGS="-k psnr -x"
PYTHON ?= python3
run = $(PYTHON) tools/bootstrap.py

.PHONY: demo test check fix bench
demo:   ; $(run) demo $(ARGS)
test:   ; $(run) test $(ARGS)
check:  ; $(run) check $(ARGS)
fix:    ; $(run) fix $(ARGS)
bench:  ; $(run) bench $(ARGS)
