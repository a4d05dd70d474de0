/* What the classes whose objects are Rust's have in common. */

#include "shim.h"


zend_object *
ezdfs_php_create_object(zend_class_entry *ce,
    const zend_object_handlers *handlers)
{
    ezdfs_php_object *object;

    object = zend_object_alloc(sizeof(ezdfs_php_object), ce);
    object->value = NULL;

    zend_object_std_init(&object->std, ce);
    object_properties_init(&object->std, ce);
    object->std.handlers = handlers;

    return &object->std;
}


void
ezdfs_php_init_handlers(zend_object_handlers *handlers,
    zend_object_free_obj_t free_object)
{
    *handlers = std_object_handlers;
    handlers->offset = XtOffsetOf(ezdfs_php_object, std);
    handlers->free_obj = free_object;
    handlers->clone_obj = NULL;

    /* else any two would be equal, having no properties */

    handlers->compare = zend_objects_not_comparable;
}


/* The end of a method: Rust has returned, so that a longjmp passes C alone. */
void
ezdfs_php_conclude(int outcome)
{
    if (outcome == EZDFS_PHP_BAILOUT) {
        zend_bailout();
    }
}
