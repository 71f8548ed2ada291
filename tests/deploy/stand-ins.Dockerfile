# What stands in for images that only registries have: the same programs as in the real images, in Debian's versions, but
# for Grafana, of which there is only something that answers HTTP. `programs` is what ./stand-ins has put together.
FROM programs AS redis
CMD ["redis-server"]

FROM programs AS haproxy
USER 99
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]

FROM programs AS prometheus
USER 65534
ENTRYPOINT ["prometheus"]

FROM programs AS grafana
COPY not-grafana.cfg /
USER 472
CMD ["haproxy", "-f", "/not-grafana.cfg"]
