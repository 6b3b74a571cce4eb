/* After Python.h. */
#ifndef CLOUDHEAL_LOGS_ROWS_H
#define CLOUDHEAL_LOGS_ROWS_H

PyObject *rows(PyObject *module, PyObject *args);

#endif
