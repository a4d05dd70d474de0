# GNU make. `make help` lists what a person calls.

PREFIX        ?= /usr/local
LIBDIR        ?= $(PREFIX)/lib
NGINX_MODULES ?= /usr/lib/nginx/modules
PHP_CONFIG    ?= php-config
PHP_MODULES   ?= $(shell $(PHP_CONFIG) --extension-dir)
# Debian's directory for phpenmod, where there is one.
PHP_INI_DIR   ?= $(firstword $(wildcard $(dir $(shell $(PHP_CONFIG) --ini-path))mods-available) \
                 $(shell $(PHP_CONFIG) --ini-dir))
APXS          ?= apxs
APACHE_MODULES ?= $(shell $(APXS) -q LIBEXECDIR)
# Debian's directory for a2enmod, where there is one.
APACHE_LOADS  ?= $(wildcard /etc/apache2/mods-available)
CARGO         ?= cargo
export CARGO

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME  := libezdfs.so.0
RUST    := Cargo.toml Cargo.lock $(shell find src -name '*.rs' -o -name Cargo.toml)
PHP_EXT := $(RUST) php/extension/Cargo.toml php/extension/build.rs \
           $(wildcard php/extension/src/*.rs php/extension/shim/*)
# Only another PHP than that of PATH is named: a change of environment means another build.
PHP_ENV  = $(if $(filter-out php-config,$(PHP_CONFIG)),PHP_CONFIG=$(PHP_CONFIG))
DENY    := build/tools/bin/cargo-deny
# Says what is missing before anything is fetched or built, and all that the goal will need (NEEDS), not only
# what this step needs.
CHECK    = @PHP_CONFIG='$(PHP_CONFIG)' APXS='$(APXS)' tests/deps.sh --check $(or $(NEEDS),$(1))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# What is there stays where a check says no; a new one takes its place as a whole.
.PRECIOUS: build/ezdfs build/libezdfs.so build/libezdfs.a build/ezdfs.so build/ngx_http_ezdfs_module.so build/mod_ezdfs.so build/test-hooks/ezdfs.so
.PHONY: unoptimised help build install apache install-apache deb deps demo demo-cluster test faults test-cluster test-nginx test-mysql test-moves test-trixie test-deb test-nfs lint audit header abi bench bench-quick bench-scale bench-feed bench-fsck bench-writes bench-hot bench-copy bench-apache bench-purge clean

help:
	@echo 'make demo      show and upload pictures, private nginx and php-fpm; Ctrl-C stops it (DEMO_PORT=8080)'
	@echo 'make demo-cluster  the same of a whole cluster, in a network of its own, with a button for each failure (as root)'
	@echo 'make test      install what is missing, build, run every test'
	@echo 'make faults    run every test, write the table of faults in docs/consistency.md'
	@echo 'make test-nginx  play the trials of the nginx module on the newest nginx that Debian has'
	@echo 'make test-mysql  run every trial on MySQL in place of MariaDB (TRIALS=part of their names)'
	@echo 'make test-cluster  let each part of that cluster fail in turn, under load (as root); ten minutes'
	@echo 'make test-moves  move sites of 20,000 files while copies and databases are killed 50 times each; half an hour'
	@echo 'make test-trixie  make the demo and run every trial on Debian 13, in a folder (as root; fetches it)'
	@echo 'make test-nfs  play scenarios on real NFS clients (EZDFS_NFS_LAB=folder of a lab)'
	@echo 'make build     the command, the libraries, the nginx module and the PHP extension, into build/'
	@echo 'make install   copy them into place (DESTDIR, PREFIX, LIBDIR, NGINX_MODULES, PHP_CONFIG)'
	@echo 'make apache, install-apache   the module for Apache httpd, which `make build` leaves out (APXS, APACHE_MODULES)'
	@echo 'make deb       packages for this Debian, into build/deb'
	@echo 'make test-deb  build, install, upgrade and purge them on Debian 12 and 13, in folders (as root; SUITES=trixie)'
	@echo 'make lint      rustfmt, clippy, rustdoc, licences and sources of dependencies, header and C interface'
	@echo 'make audit     known vulnerabilities of dependencies (asks the network)'
	@echo 'make header    regenerate include/ezdfs.h'
	@echo 'make abi       note in include/ezdfs.abi what has been added to the C interface'
	@echo 'make bench     measure against nginx, PHP and Varnish, write docs/benchmarks.md; 15 minutes'
	@echo 'make bench-quick, bench-scale   the targets alone; tables of many rows (SIZES=...)'
	@echo 'make bench-feed   the agent, and what triggers cost, on tables of many rows (SIZES=...)'
	@echo 'make bench-fsck   the time and memory of a whole check (BUILDS="new old" in turn)'
	@echo 'make bench-writes BUILDS="new old"   two builds of the example `writes` in turn, single files'
	@echo 'make bench-copy   `ezdfs copy` of a tree into MariaDB, against rsync and INSERTs'
	@echo 'make bench-apache   Apache httpd with the module, against its own static files'
	@echo 'make bench-hot BUILDS="new.so old.so"   two builds of the nginx module in turn, what a hot request costs'
	@echo 'make deps      install the Debian packages that the other targets need'
	@echo 'make clean     remove what was built'

build: NEEDS := build
build: build/ezdfs build/libezdfs.so build/libezdfs.a build/ngx_http_ezdfs_module.so build/ezdfs.pc \
       build/ezdfs.so build/man/ezdfs.1

build/ezdfs: $(RUST)
	$(call CHECK,command)
	tests/cargo-into.sh ezdfs $@ -- build --release --locked --bin ezdfs

# With all other pages, and what completes a command line in a shell.
build/man/ezdfs.1: build/ezdfs
	rm -rf build/man build/completions
	mkdir -p build/completions
	for shell in bash zsh fish; do $< completion $$shell > build/completions/$$shell || exit; done
	$< manual build/man

# The crate itself stays a plain library: only who wants the C ABI builds these types of it.
build/libezdfs.a: $(RUST)
	$(call CHECK,command)
	tests/cargo-into.sh libezdfs.a $@ -- \
	    rustc --release --locked --lib --no-default-features --features capi --crate-type staticlib

# Of the archive, because rustc gives symbols no version, and takes no version script beside its own. Without
# the debug information of the standard library, which would come with it.
build/libezdfs.so: build/libezdfs.a src/capi/ezdfs.map
	$(CC) -shared -o $@.new $(LDFLAGS) -Wl,-soname,$(SONAME) -Wl,--version-script=src/capi/ezdfs.map \
	    -Wl,--gc-sections -Wl,--strip-debug -Wl,-z,defs,-z,relro,-z,now \
	    -Wl,--whole-archive $< -Wl,--no-whole-archive -lssl -lcrypto -lpthread -ldl -lm -lgcc_s
	mv $@.new $@

build/ngx_http_ezdfs_module.so: build/libezdfs.a include/ezdfs.h $(wildcard nginx-module/*)
	$(call CHECK,module)
	EZDFS_INCLUDE=include EZDFS_LIB=build/libezdfs.a nginx-module/build.sh $@

apache: NEEDS := apache
apache: build/mod_ezdfs.so

build/mod_ezdfs.so: build/libezdfs.a include/ezdfs.h $(wildcard apache-module/*)
	$(call CHECK,apache)
	APXS='$(APXS)' EZDFS_INCLUDE=include EZDFS_LIB=build/libezdfs.a apache-module/build.sh $@

# Both ways of building it leave their result under one name: one after the other.
build/ezdfs.so: $(PHP_EXT)
	$(call CHECK,extension)
	$(PHP_ENV) tests/cargo-into.sh libezdfs_php.so $@ -- build --release --locked -p ezdfs-php

# For the tests: without threads, and for the newest nginx that can be had, which is fetched once.
TEST_NGINX   := build/test-nginx/without-threads.so build/test-nginx/newest.so
NEWEST_NGINX := build/tools/newest-nginx
MODULE_DEPS  := build/libezdfs.a include/ezdfs.h $(wildcard nginx-module/*)

build/test-nginx/without-threads.so: $(MODULE_DEPS)
	EZDFS_INCLUDE=include EZDFS_LIB=build/libezdfs.a NGX_SRC=/usr/share/nginx/src \
	    NGX_FLAGS=--with-compat BUILD_DIR=build/test-nginx/without-threads nginx-module/build.sh $@

build/test-nginx/newest.so: $(MODULE_DEPS) | $(NEWEST_NGINX)
	EZDFS_INCLUDE=include EZDFS_LIB=build/libezdfs.a NGX_SRC=$(NEWEST_NGINX)/root/usr/share/nginx/src \
	    BUILD_DIR=build/test-nginx/newest nginx-module/build.sh $@

$(NEWEST_NGINX):
	tests/newest-nginx.sh $@

# For the tests: with functions that panic and fail at will. Not optimised: of most of it the tests have need anyway.
build/test-hooks/ezdfs.so: $(PHP_EXT)
	$(call CHECK,extension)
	$(PHP_ENV) tests/cargo-into.sh libezdfs_php.so $@ -- build --locked -p ezdfs-php --features test-hooks

# Holds the prefix, so another prefix means another file.
PC_STALE = $(shell grep -qsx 'prefix=$(PREFIX)' build/ezdfs.pc && \
    grep -qsx 'libdir=$(LIBDIR)' build/ezdfs.pc || echo FORCE)
build/ezdfs.pc: src/capi/ezdfs.pc.in Cargo.toml $(PC_STALE)
	@mkdir -p build
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' $< > $@
FORCE:

install: build
	@[ -n '$(PHP_MODULES)' ] || { echo 'Where PHP has its extensions is told by $(PHP_CONFIG), which is missing.' >&2; exit 1; }
	install -D -m 755 build/ezdfs $(DESTDIR)$(PREFIX)/bin/ezdfs
	mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in contrib/systemd/*; do sed 's|/usr/local/bin/ezdfs|$(PREFIX)/bin/ezdfs|' "$$unit" \
	    > "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}" || exit; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 build/man/*.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 build/man/*.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man7 nginx-module/*.7
	install -D -m 644 build/completions/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ezdfs
	install -D -m 644 build/completions/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ezdfs
	install -D -m 644 build/completions/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ezdfs.fish
	install -D -m 644 build/libezdfs.a $(DESTDIR)$(LIBDIR)/libezdfs.a
	install -D -m 644 build/libezdfs.so $(DESTDIR)$(LIBDIR)/libezdfs.so.$(VERSION)
	ln -sf libezdfs.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libezdfs.so
	install -D -m 644 include/ezdfs.h $(DESTDIR)$(PREFIX)/include/ezdfs.h
	install -D -m 644 build/ezdfs.pc $(DESTDIR)$(LIBDIR)/pkgconfig/ezdfs.pc
	install -D -m 644 build/ngx_http_ezdfs_module.so \
	    $(DESTDIR)$(NGINX_MODULES)/ngx_http_ezdfs_module.so
	install -D -m 644 build/ezdfs.so $(DESTDIR)$(PHP_MODULES)/ezdfs.so
	install -D -m 644 php/ezdfs.ini $(DESTDIR)$(PHP_INI_DIR)/ezdfs.ini
	install -D -m 644 LICENSE-LMDB $(DESTDIR)$(PREFIX)/share/doc/ezdfs/LICENSE-LMDB

install-apache: apache
	@[ -n '$(APACHE_MODULES)' ] || { echo 'Where httpd has its modules is told by $(APXS), which is missing.' >&2; exit 1; }
	install -D -m 644 build/mod_ezdfs.so $(DESTDIR)$(APACHE_MODULES)/mod_ezdfs.so
	if [ -n '$(APACHE_LOADS)' ]; then mkdir -p $(DESTDIR)$(APACHE_LOADS) && \
	    echo 'LoadModule ezdfs_module $(APACHE_MODULES)/mod_ezdfs.so' > $(DESTDIR)$(APACHE_LOADS)/ezdfs.load; fi

# From a copy: what `make build` has left here was built with other flags, and dpkg puts packages beside the sources.
DEB := build/deb
deb:
	@tests/deps.sh deb
	rm -rf $(DEB)
	mkdir -p $(DEB)/ezdfs-$(VERSION)
	tar --create --exclude=./target --exclude=./build --exclude=./.git . \
	    | tar --extract --touch --directory $(DEB)/ezdfs-$(VERSION)
	cd $(DEB)/ezdfs-$(VERSION) && debian/rules debian/control && dpkg-buildpackage --build=binary --no-sign

deps:
	@tests/deps.sh test

demo:
	@tests/deps.sh demo
	@$(MAKE) --no-print-directory --silent build
	@tests/demo/run.sh

CLUSTER := build apache

demo-cluster:
	@tests/deps.sh cluster
	@$(MAKE) --no-print-directory --silent $(CLUSTER)
	@tests/cluster/run.sh

# Its figures go to docs/cluster.md.
test-cluster:
	@tests/deps.sh cluster
	@$(MAKE) --no-print-directory $(CLUSTER) $(PLAYWRIGHT)
	CI=true EZDFS_TEST_CLUSTER=docs/cluster.md $(CARGO) test --locked --all-features --test tests -- cluster::

PLAYWRIGHT := build/tools/playwright/node_modules
$(PLAYWRIGHT):
	mkdir -p $(@D)
	npm install --silent --no-audit --no-fund --no-save --prefix $(@D) playwright-core@1.64.1

# One after the other even under `make -j`: the build needs the packages. A person may be offline. What is optimised
# as a whole takes one processor for minutes, so what is not is made beside it.
test:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory --jobs 2 build apache $(firstword $(TEST_NGINX)) unoptimised
	@$(MAKE) --no-print-directory $(TEST_NGINX) || [ "$$CI" != true ]
	$(CARGO) test --locked --all-features

unoptimised: build/test-hooks/ezdfs.so
	env -u MAKEFLAGS $(CARGO) test --quiet --locked --all-features --no-run

# In CI nothing is skipped and everything is done as often as it should be.
faults:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory build apache build/test-hooks/ezdfs.so $(TEST_NGINX)
	CI=true EZDFS_TEST_FAULT_TABLE=docs/consistency.md $(CARGO) test --locked --all-features --test tests

# All trials of the module on the newest nginx; `make test` plays those that hang there.
test-nginx:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory build $(TEST_NGINX)
	EZDFS_TEST_NGINX=newest $(CARGO) test --locked --all-features --test tests nginx

# Every trial that has a database of MariaDB has one of MySQL instead: their names end in ::mysql.
MYSQL  := build/tools/mysql/mysqld
TRIALS ?= ::mysql
test-mysql:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory $(MYSQL) build apache build/test-hooks/ezdfs.so
	EZDFS_TEST_MYSQL="$$PWD/$(MYSQL)" $(CARGO) test --locked --all-features --test tests -- $(TRIALS)

$(MYSQL):
	tests/mysql/bootstrap.sh $(@D)

# Each database is killed so often, and so is each copy: EZDFS_TEST_FILES and EZDFS_TEST_KILLS are
# what `make test` plays with less of.
test-moves:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory build/ezdfs
	CI=true EZDFS_TEST_FILES=20000 EZDFS_TEST_KILLS=50 $(CARGO) test --locked --all-features --test tests -- \
	    under_its_writers

# The second system that is supported, bare but for Rust; what was built there before is built on.
TRIXIE := build/tools/trixie
test-trixie: | $(TRIXIE)/complete
	tests/debian/run.sh $(TRIXIE)

$(TRIXIE)/complete:
	tests/debian/bootstrap.sh trixie $(@D)

# Packages, each on the system that it is for: built, installed, upgraded, purged.
SUITES ?= bookworm trixie
test-deb:
	for suite in $(SUITES); do tests/deb/run.sh $$suite build/tools || exit; done

# Boots virtual machines: about a quarter of an hour. EZDFS_NFS_LAB names the lab's folder.
test-nfs:
	@tests/deps.sh nfs
	@$(MAKE) --no-print-directory build
	tests/nfs/run.py

lint: NEEDS := lint
lint: $(DENY)
	$(call CHECK)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked -p native-tls -- -D warnings
	$(CARGO) clippy --release --locked -p ezdfs-php --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --locked --no-deps --all-features
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	$(CARGO) run --quiet --locked --example header -- build/ezdfs.h
	diff -u include/ezdfs.h build/ezdfs.h
	tests/lint/abi.sh

# Apart from lint: its answer changes while the tree stays the same.
audit: $(DENY)
	$(DENY) --locked check advisories

# It reads a file or two: without optimisation it is made in half the time, and fast enough.
$(DENY):
	$(call CHECK,command)
	$(CARGO) install --quiet --debug --locked --root build/tools --version 0.20.2 cargo-deny

header:
	$(call CHECK,command)
	$(CARGO) run --quiet --locked --example header -- include/ezdfs.h

# What programs are built with: `make lint` compares the header with it.
abi:
	tests/lint/abi.sh --write

# What the runs leave lies in docs/ and build/bench/. BENCH_FLAGS: see benches/run.py --help.
bench bench-quick:
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory build
	$(CARGO) build --release --locked --example nfs_client
	benches/run.py $(if $(filter bench-quick,$@),--quick) $(BENCH_FLAGS)

# Tables of these many rows. The last takes 10 GB of /tmp and half an hour: SIZES="100000 1000000 10000000"
SIZES ?= 100000 1000000
bench-scale:
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory build
	benches/scale.py $(SIZES)

# What a change log and its agent cost on such tables.
bench-feed:
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory build
	benches/feed.py $(SIZES)

# A whole store, 300,000 files and rows on SQLite; BUILDS="new old" compares builds of the command.
BUILDS ?= build/ezdfs
bench-fsck: build/ezdfs
	benches/fsck.py $(BUILDS)

# Single files, on every database and on a slow mount. BUILDS="new old" are two builds of the example
# `writes`; where another state has none, copy benches/writes.rs and its lines of Cargo.toml there.
bench-writes:
	@tests/deps.sh bench
	$(CARGO) build --release --locked --example writes --example nfs_client
	benches/writes.py $(BUILDS)

# A tree into MariaDB, against rsync and one INSERT per 500 rows. BENCH_FLAGS: see benches/copy.py --help.
bench-copy: build/ezdfs
	@tests/deps.sh bench
	benches/copy.py $(BENCH_FLAGS)

bench-apache: build/ezdfs build/mod_ezdfs.so
	@tests/deps.sh bench
	benches/apache.py $(BENCH_FLAGS)

# From a change in the table to the answer of Varnish with it. BENCH_FLAGS: see benches/purge.py --help.
bench-purge: build/ezdfs build/ngx_http_ezdfs_module.so
	@tests/deps.sh bench
	benches/purge.py $(BENCH_FLAGS)

bench-hot: build/ezdfs
	@tests/deps.sh bench
	benches/hot.py $(BUILDS)

# Keeps build/tools, which depends on nothing here.
clean:
	-$(CARGO) clean
	mkdir -p build
	find build -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} +
