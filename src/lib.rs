//! ezdfs
