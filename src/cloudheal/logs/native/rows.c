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

static PyObject *get_whole(input *in) { return whole(get_wide(in)); }

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

/* A list of what `one` reads, so many times as is written first; NULL with or without an error set. */
static PyObject *list_of(input *in, PyObject *(*one)(input *)) {
    size_t count = get_many(in);
    PyObject *list = PyList_New(0);
    for (; list && count && !in->failed; count--) {
        PyObject *item = one(in);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *tuple_of(input *in, PyObject *(*one)(input *)) {
    PyObject *list = list_of(in, one), *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static int set(PyObject *into, PyObject *key, PyObject *value) {
    int failed = !key || !value || PyDict_SetItem(into, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return failed;
}

static PyObject *get_cells(input *in) {
    PyObject *cells = PyDict_New();
    unsigned __int128 at = 0; /* unsigned, so that nonsense wraps around instead of being undefined */
    for (size_t count = get_many(in); cells && count && !in->failed; count--) {
        at += (unsigned __int128)get_signed(in);
        __int128 cell = (__int128)at;
        if (cell > MOST_CELL || cell < -MOST_CELL) in->failed = 1;
        PyObject *key = PyLong_FromLongLong((long long)cell), *value = get_whole(in);
        if (set(cells, key, value)) Py_CLEAR(cells);
    }
    return cells;
}

static PyObject *get_exact(input *in) {
    PyObject *exact = PyDict_New();
    for (size_t count = get_many(in); exact && count && !in->failed; count--) {
        PyObject *key = PyFloat_FromDouble((double)get_number(in) / 1000), *value = get_integer(in);
        if (set(exact, key, value)) Py_CLEAR(exact);
    }
    return exact;
}

/* The arguments are evaluated one by one, because C does not promise an order. */
static PyObject *get_values(input *in) {
    PyObject *parts[7];
    PyObject *(*read[7])(input *) = {get_string, get_whole, get_integer, get_integer, get_integer, get_cells, get_exact};
    PyObject *found = PyTuple_New(7);
    for (Py_ssize_t i = 0; found && i < 7; i++) {
        parts[i] = read[i](in);
        if (!parts[i] || PyTuple_SetItem(found, i, parts[i])) Py_CLEAR(found);
    }
    return found;
}

static PyObject *get_hashes(input *in) {
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

static PyObject *get_counts(input *in) { return tuple_of(in, get_whole); }

static PyObject *pair(input *in, PyObject *(*read)(input *)) {
    PyObject *name = get_string(in), *value = name ? read(in) : NULL;
    PyObject *found = value ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(value);
    return found;
}

static PyObject *get_distinct(input *in) { return pair(in, get_hashes); }
static PyObject *get_buckets(input *in) { return pair(in, get_counts); }

static PyObject *get_key(input *in) { return tuple_of(in, get_string); }
static PyObject *get_all_values(input *in) { return list_of(in, get_values); }
static PyObject *get_all_distinct(input *in) { return list_of(in, get_distinct); }
static PyObject *get_all_buckets(input *in) { return list_of(in, get_buckets); }

static PyObject *get_row(input *in) {
    PyObject *(*read[5])(input *) = {get_key, get_whole, get_all_values, get_all_distinct, get_all_buckets};
    PyObject *found = PyTuple_New(5);
    for (Py_ssize_t i = 0; found && i < 5; i++) {
        PyObject *item = read[i](in);
        if (!item || PyTuple_SetItem(found, i, item)) Py_CLEAR(found);
    }
    return found;
}

PyObject *rows(PyObject *module, PyObject *args) {
    Py_buffer data;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*", &data)) return NULL;
    input in = {data.buf, (const uint8_t *)data.buf + data.len, 0};
    PyObject *found = NULL;
    if (get_number(&in) != 1) in.failed = 1;
    if (!in.failed) found = list_of(&in, get_row);
    if (in.at != in.end) in.failed = 1;
    PyBuffer_Release(&data);
    if (in.failed && !PyErr_Occurred()) {
        Py_CLEAR(found);
        PyErr_SetString(PyExc_ValueError, "these bytes are cut, or no rows of this version");
    }
    return found;
}
