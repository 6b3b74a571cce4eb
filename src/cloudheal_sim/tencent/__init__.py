"""The simulated Tencent Cloud: one folder a service, all behind one gateway of API 3.0."""
