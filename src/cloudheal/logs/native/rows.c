/* Rows as Python objects: `unpacked` of cloudheal/logs/wire.py, which says what the bytes mean. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "core.h"

#include "rows.h"

static PyObject *whole(unsigned __int128 number) {
    if (!(number >> 64)) return PyLong_FromUnsignedLongLong((unsigned long long)number);
    PyObject *high = PyLong_FromUnsignedLongLong((unsigned long long)(number >> 64)), *by = PyLong_FromLong(64);
    PyObject *low = PyLong_FromUnsignedLongLong((unsigned long long)number), *moved = NULL, *found = NULL;
    if (high && by && low) moved = PyNumber_Lshift(high, by);
    if (moved) found = PyNumber_Or(moved, low);
    Py_XDECREF(high);
    Py_XDECREF(by);
    Py_XDECREF(low);
    Py_XDECREF(moved);
    return found;
}

static PyObject *get_integer(input *in) {
    __int128 number = get_signed(in);
    if (number >= INT64_MIN && number <= INT64_MAX) return PyLong_FromLongLong((long long)number);
    PyObject *size = whole(number < 0 ? -(unsigned __int128)number : (unsigned __int128)number);
    PyObject *found = size && number < 0 ? PyNumber_Negative(size) : size;
    if (found != size) Py_DECREF(size);
    return found;
}

static PyObject *get_string(input *in) {
    text found = get_text(in);
    return PyUnicode_DecodeUTF8((const char *)found.at, (Py_ssize_t)found.size, "surrogateescape");
}

enum { KEY, COUNT, VALUES, DISTINCT, BUCKETS, TOTAL, LEAST, MOST, CELLS, EXACT, HASHES, PACKED, NAMES };

static const char *const texts[] = {"key",  "count", "values", "distinct", "buckets", "total",
                                    "least", "most", "cells",  "exact",    "hashes",  "packed"};

/* What rows are made of: the classes of counting.py and wire.py, and what their parts are called. */
typedef struct {
    PyObject *row, *values, *distinct, *cells;
    PyObject *names[NAMES];
} shapes;

typedef PyObject *(*reader)(const shapes *, input *);

/* An object with these parts, each of which is released. Without `__init__`, which would set them one by one as well,
 * but in Python. */
static PyObject *made(const shapes *all, PyObject *type, const int *names, PyObject **parts, int count) {
    PyObject *found = PyType_GenericAlloc((PyTypeObject *)type, 0);
    for (int i = 0; i < count; i++) {
        if (found && (!parts[i] || PyObject_GenericSetAttr(found, all->names[names[i]], parts[i]))) Py_CLEAR(found);
        Py_XDECREF(parts[i]);
    }
    return found;
}

/* An object with what these read, one after the other: none after one that failed. */
static PyObject *read_into(const shapes *all, input *in, PyObject *type, const int *names, const reader *read, int count) {
    PyObject *parts[8] = {0};
    for (int i = 0; i < count; i++)
        if (!(parts[i] = read[i](all, in))) break;
    return made(all, type, names, parts, count);
}

/* A list of what `one` reads, so many times as is written first; NULL with or without an error set. */
static PyObject *list_of(const shapes *all, input *in, reader one) {
    size_t count = get_many(in);
    PyObject *list = PyList_New(0);
    for (; list && count && !in->failed; count--) {
        PyObject *item = one(all, in);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *tuple_of(const shapes *all, input *in, reader one) {
    PyObject *list = list_of(all, in, one), *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static int set(PyObject *into, PyObject *key, PyObject *value) {
    int failed = !key || !value || PyDict_SetItem(into, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return failed;
}

/* A dictionary of what `one` reads by the name before it. */
static PyObject *dict_of(const shapes *all, input *in, reader one) {
    PyObject *found = PyDict_New();
    for (size_t count = get_many(in); found && count && !in->failed; count--) {
        PyObject *key = get_string(in), *value = key ? one(all, in) : NULL;
        if (set(found, key, value)) Py_CLEAR(found);
    }
    return found;
}

/* Cells stay as they are written, which is how most of them are stored; here it is only seen that they can be read. */
static PyObject *get_cells(const shapes *all, input *in) {
    const uint8_t *begin = in->at;
    unsigned __int128 at = 0; /* unsigned, so that nonsense wraps around instead of being undefined */
    for (size_t count = get_many(in); count && !in->failed; count--) {
        at += (unsigned __int128)get_signed(in);
        __int128 cell = (__int128)at;
        if (cell > MOST_CELL || cell < -MOST_CELL) in->failed = 1;
        get_wide(in);
    }
    PyObject *found = PyType_GenericAlloc((PyTypeObject *)all->cells, 0);
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)begin, in->at - begin);
    if (found && (!bytes || PyObject_GenericSetAttr(found, all->names[PACKED], bytes))) Py_CLEAR(found);
    Py_XDECREF(bytes);
    return found;
}

static PyObject *get_exact(const shapes *all, input *in) {
    (void)all;
    PyObject *exact = PyDict_New();
    for (size_t count = get_many(in); exact && count && !in->failed; count--) {
        PyObject *key = PyFloat_FromDouble((double)get_number(in) / 1000), *value = get_integer(in);
        if (set(exact, key, value)) Py_CLEAR(exact);
    }
    return exact;
}

static PyObject *get_count(const shapes *all, input *in) { return (void)all, whole(get_wide(in)); }
static PyObject *get_signed_one(const shapes *all, input *in) { return (void)all, get_integer(in); }
static PyObject *get_part(const shapes *all, input *in) { return (void)all, get_string(in); }

static PyObject *get_values(const shapes *all, input *in) {
    static const int names[] = {COUNT, TOTAL, LEAST, MOST, CELLS, EXACT};
    static const reader read[] = {get_count, get_signed_one, get_signed_one, get_signed_one, get_cells, get_exact};
    return read_into(all, in, all->values, names, read, 6);
}

static PyObject *get_hashes(const shapes *all, input *in) {
    (void)all;
    unsigned __int128 hash = 0;
    size_t count = get_many(in);
    if (count > KEPT_HASHES) in->failed = 1;
    PyObject *list = PyList_New(0);
    for (; list && count && !in->failed; count--) {
        hash += get_wide(in);
        if (hash >> 64) in->failed = 1;
        PyObject *item = PyLong_FromUnsignedLongLong((unsigned long long)hash);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *get_distinct(const shapes *all, input *in) {
    static const int names[] = {HASHES};
    static const reader read[] = {get_hashes};
    return read_into(all, in, all->distinct, names, read, 1);
}

static PyObject *get_counts(const shapes *all, input *in) { return tuple_of(all, in, get_count); }
static PyObject *get_key(const shapes *all, input *in) { return tuple_of(all, in, get_part); }
static PyObject *get_all_values(const shapes *all, input *in) { return dict_of(all, in, get_values); }
static PyObject *get_all_distinct(const shapes *all, input *in) { return dict_of(all, in, get_distinct); }
static PyObject *get_all_buckets(const shapes *all, input *in) { return dict_of(all, in, get_counts); }

static PyObject *get_row(const shapes *all, input *in) {
    static const int names[] = {KEY, COUNT, VALUES, DISTINCT, BUCKETS};
    static const reader read[] = {get_key, get_count, get_all_values, get_all_distinct, get_all_buckets};
    return read_into(all, in, all->row, names, read, 5);
}

/* Whether the classes can be filled as `made` does. */
static int are_classes(const shapes *all) {
    PyObject *const types[] = {all->row, all->values, all->distinct, all->cells};
    for (int i = 0; i < 4; i++)
        if (!PyType_Check(types[i])) return PyErr_SetString(PyExc_TypeError, "rows are made of classes"), 0;
    return 1;
}

PyObject *rows(PyObject *module, PyObject *args) {
    Py_buffer data;
    shapes all;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*OOOO", &data, &all.row, &all.values, &all.distinct, &all.cells)) return NULL;
    int failed = !are_classes(&all);
    for (int i = 0; i < NAMES; i++) failed |= !(all.names[i] = PyUnicode_InternFromString(texts[i]));
    input in = {data.buf, (const uint8_t *)data.buf + data.len, 0};
    PyObject *found = NULL;
    if (get_number(&in) != 1) in.failed = 1;
    if (!in.failed && !failed) found = tuple_of(&all, &in, get_row);
    if (in.at != in.end) in.failed = 1;
    PyBuffer_Release(&data);
    for (int i = 0; i < NAMES; i++) Py_XDECREF(all.names[i]);
    if (in.failed && !PyErr_Occurred()) {
        Py_CLEAR(found);
        PyErr_SetString(PyExc_ValueError, "these bytes are cut, or no rows of this version");
    }
    return found;
}
