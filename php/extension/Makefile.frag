# By its sources, though cargo knows best what is out of date: `make install` is another user's, whose cargo
# may be none, and must find nothing to do.
$(phplibdir)/ezdfs.so: $(shell find $(srcdir)/../../src $(srcdir)/../../Cargo.toml $(srcdir)/../../Cargo.lock \
    $(srcdir)/Cargo.toml $(srcdir)/build.rs $(srcdir)/src $(srcdir)/shim -type f)
	PHP=$(PHP_EXECUTABLE) PHP_CONFIG=$$(command -v $(PHP_CONFIG)) CARGO=$(CARGO) \
	    $(srcdir)/../../tests/cargo-into.sh libezdfs_php.so $@ -- build --release --locked \
	    --manifest-path $(realpath $(srcdir))/Cargo.toml
