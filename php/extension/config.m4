dnl For phpize, and PIE, which calls it: the compiler of this extension is cargo.

PHP_ARG_ENABLE([ezdfs],
  [whether to build ezdfs],
  [AS_HELP_STRING([--disable-ezdfs], [Do not build ezdfs])],
  [yes])

if test "$PHP_EZDFS" != "no"; then
  dnl This extension is a part of a whole, which is built with it.
  ezdfs_deps="$abs_srcdir/../../tests/deps.sh"
  if ! test -x "$ezdfs_deps"; then
    AC_MSG_ERROR([this directory is not in a source tree of ezdfs, where php/extension is])
  fi
  AC_PATH_PROG([CARGO], [cargo], [cargo])
  if ! CARGO="$CARGO" PHP="$PHP_EXECUTABLE" PHP_CONFIG="$PHP_CONFIG" "$ezdfs_deps" --check extension; then
    AC_MSG_ERROR([something is missing to build ezdfs])
  fi

  PHP_MODULES="$PHP_MODULES \$(phplibdir)/ezdfs.so"
  PHP_SUBST([PHP_MODULES])
  PHP_SUBST([CARGO])
  PHP_SUBST([PHP_CONFIG])
  PHP_ADD_MAKEFILE_FRAGMENT([$abs_srcdir/Makefile.frag], [$abs_srcdir], [$abs_builddir])
fi
