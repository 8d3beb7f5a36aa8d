# The stages of compare.sh, which calls this in the folder of a run. Names in capitals are its options; they are passed in
# the environment, so that make does not expand them.

INTO = @rm -f $@; . "$(recipes)/steps.sh"; set -eu; make_file $@

.SECONDARY:
.DELETE_ON_ERROR:

# identity and level have no weights to store in int8.
report.md: $(rows:%=%/float.csv) $(rows:%=%/int8.json) $(patsubst %,%/int8.csv,$(filter-out identity level,$(rows)))
	$(INTO) sh "$(recipes)/compare-report.sh" $(rows)

degraded.jsonl:
	@echo "== degrade: $$CHAIN" >&2
	$(INTO) audiorestore degrade "$(data)" --chain "$$CHAIN" --jobs 2 -o "$(CURDIR)/degraded"

pairs.jsonl: degraded.jsonl
	@echo "== pair: lag, level, and a split for each recording" >&2
	$(INTO) audiorestore pair $< --level match --split 60:20:20 -o "$(CURDIR)/matched"

test.jsonl: pairs.jsonl
	$(INTO) grep '"split": "test"' $<

%/trained.json: pairs.jsonl
	@echo "== train $*, $(training)" >&2
	$(INTO) audiorestore train $* $< --preset "$$PRESET" $(training) --resume -o $*/model.safetensors

%/float.jsonl: %/trained.json test.jsonl
	@echo "== restore the test split with $*, float" >&2
	$(INTO) sh "$(recipes)/compare-restore.sh" $*/model.safetensors "$(CURDIR)/$*/float" "$(here)"

%/int8.json: %/trained.json test.jsonl
	@echo "== quantize $* to int8" >&2
	$(INTO) audiorestore quantize -f $*/model.safetensors --pairs test.jsonl -o $*/int8.safetensors

%/int8.jsonl: %/int8.json test.jsonl
	@echo "== restore the test split with $*, int8" >&2
	$(INTO) sh "$(recipes)/compare-restore.sh" $*/int8.safetensors "$(CURDIR)/$*/int8" "$(here)"

%.csv: %.jsonl
	$(INTO) audiorestore eval $< --format csv 2> $*.txt
