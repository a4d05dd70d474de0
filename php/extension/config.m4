dnl For phpize, and PIE, which calls it: the compiler of this extension is cargo.

PHP_ARG_ENABLE([ezdfs],
  [whether to build ezdfs],
  [AS_HELP_STRING([--disable-ezdfs], [Do not build ezdfs])],
  [yes])

if test "$PHP_EZDFS" != "no"; then
  AC_PATH_PROG([CARGO], [cargo], [no])
  if test "$CARGO" = "no"; then
    AC_MSG_ERROR([cargo is missing: install Rust from https://rustup.rs])
  fi

  PHP_MODULES="$PHP_MODULES \$(phplibdir)/ezdfs.so"
  PHP_SUBST([PHP_MODULES])
  PHP_SUBST([CARGO])
  PHP_SUBST([PHP_CONFIG])
  PHP_ADD_MAKEFILE_FRAGMENT([$abs_srcdir/Makefile.frag], [$abs_srcdir], [$abs_builddir])
fi
