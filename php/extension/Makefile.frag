# Cargo knows best what is out of date.
.PHONY: $(phplibdir)/ezdfs.so
$(phplibdir)/ezdfs.so:
	PHP=$(PHP_EXECUTABLE) PHP_CONFIG=$$(command -v $(PHP_CONFIG)) CARGO=$(CARGO) \
	    $(srcdir)/../../tests/cargo-into.sh libezdfs_php.so $@ -- build --release --locked \
	    --manifest-path $(realpath $(srcdir))/Cargo.toml
