mod build/ezdfs.so
mod php/ezdfs.ini
