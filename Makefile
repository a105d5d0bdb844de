# leadflow: lead follow-up management inside PostgreSQL

EXTENSION = leadflow
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" leadflow.control)
MODULE_big = leadflow

# The rooms, in the order in which one may call another: each is a folder of
# src/ with its C, its SQL declarations (room.sql) and its tables and views
# (*.tables.sql, created by leadflow.install()).
ROOMS = leadset segment form cadence source engine rollup lead list activity followup rule sync report handoff access

GENERATED = $(patsubst %.y,%.c,$(wildcard src/*/*.y)) $(patsubst %.l,%.c,$(wildcard src/*.l))
OBJS = $(sort $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c) $(GENERATED)))
SQL_FRAGMENTS = $(foreach room,$(ROOMS),$(wildcard src/$(room)/$(room).sql))
TABLE_FRAGMENTS = $(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.tables.sql)))

DATA_built = leadflow--$(EXTVERSION).sql
EXTRA_CLEAN = $(GENERATED) $(wildcard src/*/*_gram.h) src/install.sql

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter
# Our functions call ours, whatever other libraries in the server define.
SHLIB_LINK = -lroaring -Wl,-Bsymbolic

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --encoding=UTF8

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifneq ($(PGXS),)
include $(PGXS)
endif

# ---- the install script ---------------------------------------------------

leadflow--$(EXTVERSION).sql: src/leadflow.sql $(SQL_FRAGMENTS) src/install.sql
	cat $^ > $@

# install() is written around the rooms' tables: their statements become its
# body, and their names what it checks the owner of.
src/install.sql: src/install.sql.in $(TABLE_FRAGMENTS)
	script/assemble-install $^ > $@

# ---- the languages' scanner and grammars ----------------------------------

%_gram.h: %_gram.c ;
%_gram.c: BISONFLAGS += -d
src/segment/segment_words.o: src/segment/segment_gram.h
src/form/form_words.o: src/form/form_gram.h

# Headers are few and small: any change rebuilds every object.
$(OBJS): $(filter-out %_gram.h,$(wildcard src/*.h src/*/*.h))

# ---- tests and demo -------------------------------------------------------
# Each does its own set-up, on a machine that has only make. (make says that it
# found no pg_config there: the packages that bring it come with script/setup.)

SUITES = lint regress isolation tap property fuzz pgtap
.PHONY: ready test $(SUITES:%=test-%) demo demo-clean bench

# Built as whoever calls; only the installation may need root. Without LLVM
# bitcode, which is of use only to JIT inlining and takes half of the time.
ready:
	@script/setup
	@echo "Building and installing leadflow"
	@$(MAKE) -s with_llvm=no $(if $(findstring -j,$(MAKEFLAGS)),,-j2) all
	@if [ -w "$$($(PG_CONFIG) --pkglibdir)" ]; then $(MAKE) -s with_llvm=no install; \
	else sudo $(MAKE) -s with_llvm=no PG_CONFIG='$(PG_CONFIG)' install; fi

test: ready
	@exec env PG_CONFIG='$(PG_CONFIG)' REGRESS_OPTS='$(REGRESS_OPTS)' script/test

$(SUITES:%=test-%): test-%: ready
	@exec env PG_CONFIG='$(PG_CONFIG)' REGRESS_OPTS='$(REGRESS_OPTS)' script/test $*

demo: ready
	@exec env PG_CONFIG='$(PG_CONFIG)' script/demo

demo-clean:
	@exec env PG_CONFIG='$(PG_CONFIG)' script/demo clean

bench: ready
	@exec env PG_CONFIG='$(PG_CONFIG)' script/bench
