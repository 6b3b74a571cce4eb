/* The engine as a Python module, within the stable ABI of Python 3.11. It releases the lock while it counts. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "rows.h"

typedef struct {
    PyObject_HEAD
    engine *engine;
    PyObject *name; /* what names URLs: bytes to bytes */
    PyThreadState *thread;
    int busy;
} Counter;

/* Called while counting, without the lock. */
static int ask(void *context, const uint8_t *url, size_t size, bytes *out) {
    Counter *self = context;
    int failed = -1;
    PyEval_RestoreThread(self->thread);
    PyObject *named = PyObject_CallFunction(self->name, "y#", (const char *)url, (Py_ssize_t)size);
    char *data;
    Py_ssize_t length;
    if (named && !PyBytes_AsStringAndSize(named, &data, &length)) {
        put(out, data, (size_t)length);
        failed = 0;
    }
    Py_XDECREF(named);
    self->thread = PyEval_SaveThread();
    return failed;
}

static PyObject *problem(void) { return PyErr_Occurred() ? NULL : PyErr_NoMemory(); }

static int enter(Counter *self) {
    if (self->busy || !self->engine) {
        PyErr_SetString(PyExc_RuntimeError, "a counter is used by one thread at a time");
        return -1;
    }
    self->busy = 1;
    self->thread = PyEval_SaveThread();
    return 0;
}

static void leave(Counter *self) {
    PyEval_RestoreThread(self->thread);
    self->busy = 0;
}

static PyObject *counter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    const char *data;
    Py_ssize_t size;
    PyObject *name;
    if (kwargs && PyDict_Size(kwargs)) return PyErr_SetString(PyExc_TypeError, "no keywords here"), NULL;
    if (!PyArg_ParseTuple(args, "y#O", &data, &size, &name)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Counter *self = (Counter *)allocate(type, 0);
    if (!self) return NULL;
    plan *all = plan_read((const uint8_t *)data, (size_t)size);
    if (!all) {
        Py_DECREF(self);
        return PyErr_SetString(PyExc_ValueError, "the plan is larger than the engine can follow"), NULL;
    }
    self->engine = engine_new(all, ask, self);
    if (!self->engine) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    Py_INCREF(name);
    self->name = name;
    return (PyObject *)self;
}

static int counter_traverse(Counter *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->name);
    return 0;
}

static int counter_clear(Counter *self) {
    Py_CLEAR(self->name);
    return 0;
}

static void counter_dealloc(Counter *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    if (self->engine) engine_free(self->engine);
    Py_XDECREF(self->name);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *counter_feed(Counter *self, PyObject *args) {
    PyObject *block; /* bytes and nothing else: what another thread may change meanwhile has no end to rely on */
    char *data;
    Py_ssize_t size;
    long long until = INT64_MAX;
    fed found;
    if (!PyArg_ParseTuple(args, "S|L", &block, &until) || PyBytes_AsStringAndSize(block, &data, &size) || enter(self)) return NULL;
    int failed = engine_feed(self->engine, (const uint8_t *)data, (size_t)size, until, &found);
    leave(self);
    if (failed) return problem();
    return Py_BuildValue("KKKK(KKKKKK)", found.lines, found.counted, found.late, found.newest, found.reasons[0],
                         found.reasons[1], found.reasons[2], found.reasons[3], found.reasons[4], found.reasons[5]);
}

static PyObject *given(bytes *out, int failed) {
    PyObject *made = failed ? problem() : PyBytes_FromStringAndSize((const char *)out->data, (Py_ssize_t)out->size);
    free(out->data);
    return made;
}

static PyObject *counter_close(Counter *self, PyObject *args) {
    long long before;
    bytes out = {0};
    if (!PyArg_ParseTuple(args, "L", &before) || enter(self)) return NULL;
    int failed = engine_close(self->engine, before, &out);
    leave(self);
    return given(&out, failed);
}

static PyObject *counter_dump(Counter *self, PyObject *unused) {
    bytes out = {0};
    (void)unused;
    if (enter(self)) return NULL;
    int failed = engine_dump(self->engine, &out);
    leave(self);
    return given(&out, failed);
}

static PyObject *counter_load(Counter *self, PyObject *args) {
    PyObject *state;
    char *data;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "S", &state) || PyBytes_AsStringAndSize(state, &data, &size) || enter(self)) return NULL;
    int failed = engine_load(self->engine, (const uint8_t *)data, (size_t)size);
    leave(self);
    if (failed < 0) return problem();
    if (failed) return PyErr_SetString(PyExc_ValueError, "these bytes are no open minutes of this definition"), NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"feed", (PyCFunction)counter_feed, METH_VARARGS, "Count lines: lines, counted, late, newest, rejected by reason."},
    {"close", (PyCFunction)counter_close, METH_VARARGS, "Hand out and forget the minutes that end by then."},
    {"dump", (PyCFunction)counter_dump, METH_NOARGS, "Return the open minutes."},
    {"load", (PyCFunction)counter_load, METH_VARARGS, "Take open minutes over, once, when new."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, counter_new},           {Py_tp_dealloc, counter_dealloc}, {Py_tp_traverse, counter_traverse},
    {Py_tp_clear, counter_clear},       {Py_tp_methods, methods},         {Py_tp_doc, "Counts one log, by a plan."},
    {0, NULL},
};

static PyType_Spec spec = {
    "cloudheal.logs._native.Counter", sizeof(Counter), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};

static int filled(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int failed = !type || PyModule_AddObjectRef(module, "Counter", type);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, filled}, {0, NULL}};

static PyMethodDef functions[] = {
    {"rows", rows, METH_VARARGS, "Return packed rows as tuples: key, count, values, distinct, buckets."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_native", "Counts access logs; see native/core.h.", 0, functions, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&module); }
