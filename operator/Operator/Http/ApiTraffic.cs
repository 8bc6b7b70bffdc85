using System.Diagnostics.Metrics;
using Prometheus;

namespace Bursar.Operator.Http;

/// <summary>
/// Measures the API server's response times and counts writes, from the metrics of the runtime's HTTP client, so it covers every request. A
/// watch is measured until its headers arrive.
/// </summary>
internal sealed class ApiTraffic : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Uri _server;
    private readonly Histogram _latency;
    private readonly Counter _writes;

    public ApiTraffic(Uri server, ScrapeRegistry metrics)
    {
        _server = server;
        _latency = metrics.CreateHistogram(
            "bursar_api_request_duration_seconds",
            "Time until the API server began to answer, by method and status code.",
            new HistogramConfiguration
            {
                LabelNames = ["method", "code"],
                Buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
            }
        );
        _writes = metrics.CreateCounter(
            "bursar_api_writes_total",
            "Requests that write to the API server, by method and status code.",
            "method",
            "code"
        );
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument is { Name: "http.client.request.duration", Meter.Name: "System.Net.Http" })
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) => Record(seconds, tags));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();

    private void Record(double seconds, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string method = "",
            code = "none";
        var here = false;
        foreach (var (key, value) in tags)
        {
            switch (key)
            {
                // The same client also sends requests to agents and others.
                case "server.address":
                    here = value is string host && string.Equals(host, _server.Host, StringComparison.OrdinalIgnoreCase);
                    break;
                case "server.port" when value is int port && port != _server.Port:
                    return;
                case "http.request.method":
                    method = value as string ?? "";
                    break;
                case "http.response.status_code":
                    code = value?.ToString() ?? "none";
                    break;
                default:
                    break;
            }
        }
        if (!here)
            return;
        _latency.WithLabels(method, code).Observe(seconds);
        if (method is not ("GET" or "HEAD"))
            _writes.WithLabels(method, code).Inc();
    }
}
