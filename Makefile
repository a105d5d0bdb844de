# leadflow: lead follow-up management inside PostgreSQL

EXTENSION = leadflow
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" leadflow.control)
MODULE_big = leadflow

# The rooms, in the order in which one may call another: each is a folder of
# src/ with its C, its SQL declarations (room.sql) and its tables
# (room.tables.sql, created by leadflow.install()).
ROOMS = leadset segment form cadence source engine lead list activity followup report

GENERATED = $(patsubst %.y,%.c,$(wildcard src/*/*.y)) $(patsubst %.l,%.c,$(wildcard src/*/*.l))
OBJS = $(sort $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c) $(GENERATED)))
SQL_FRAGMENTS = $(foreach room,$(ROOMS),$(wildcard src/$(room)/$(room).sql))
TABLE_FRAGMENTS = $(foreach room,$(ROOMS),$(wildcard src/$(room)/$(room).tables.sql))

DATA_built = leadflow--$(EXTVERSION).sql
EXTRA_CLEAN = $(GENERATED) $(wildcard src/*/*_gram.h) src/install.sql

PG_CPPFLAGS = -Isrc
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter
SHLIB_LINK = -lroaring

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

# ---- the language's scanner and grammar -----------------------------------

src/segment/segment_gram.h: src/segment/segment_gram.c ;
src/segment/segment_gram.c: BISONFLAGS += -d
src/segment/segment_scan.o src/segment/segment_gram.o: src/segment/segment_gram.h

# Headers are few and small: any change rebuilds every object.
$(OBJS): $(wildcard src/*.h src/*/*.h)
