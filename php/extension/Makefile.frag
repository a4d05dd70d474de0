# Cargo knows best what is out of date.
.PHONY: $(phplibdir)/ezdfs.so
$(phplibdir)/ezdfs.so:
	PHP=$(PHP_EXECUTABLE) PHP_CONFIG=$$(command -v $(PHP_CONFIG)) $(CARGO) build --release --locked \
	    --manifest-path $(realpath $(srcdir))/Cargo.toml --target-dir $(builddir)/target
	$(mkinstalldirs) $(phplibdir)
	$(INSTALL) $(builddir)/target/release/libezdfs_php.so $@
