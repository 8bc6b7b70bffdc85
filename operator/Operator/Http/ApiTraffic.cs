using System.Diagnostics.Metrics;
using Prometheus;

namespace Bursar.Operator.Http;

/// <summary>
/// How long the API server takes to answer, and how often it is written to, as the runtime's own HTTP client counts it:
/// every request is in it, whoever sends it. A watch counts until its headers have come.
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
        _listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) => Take(seconds, tags));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();

    private void Take(double seconds, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string method = "",
            code = "none";
        var here = false;
        foreach (var (key, value) in tags)
        {
            switch (key)
            {
                // Agents and others are asked by the same client.
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
