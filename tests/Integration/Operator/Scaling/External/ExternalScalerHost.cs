using System.Collections.Concurrent;
using Bursar.Operator.Scaling.External;
using Bursar.Operator.Scaling.External.Wire;
using Bursar.Tests.Integration.Kubernetes;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Operator.Scaling.External;

/// <summary>The external scaler endpoint with answers that a test sets, by the ScaledObject's name.</summary>
internal sealed class ExternalScalerHost : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Func<ScalerRequest, ScalerAnswer>> _words = new(StringComparer.Ordinal);
    private int _asked;

    private ExternalScalerHost() { }

    public ExternalScalerEndpoint Endpoint { get; private set; } = null!;

    public int Asked => Volatile.Read(ref _asked);

    public static async Task<ExternalScalerHost> StartAsync()
    {
        var door = new ExternalScalerHost();
        door.Endpoint = await ExternalScalerEndpoint.StartAsync("127.0.0.1:0", door.Answer, NullLoggerFactory.Instance, default);
        return door;
    }

    public static ScaledObjectRef Ref(string name, params ReadOnlySpan<(string Key, string Value)> metadata)
    {
        var asked = new ScaledObjectRef { Name = name, Namespace = "team" };
        asked.ScalerMetadata.Add("scalerAddress", "bursar-external-scaler.bursar-system:9467");
        if (metadata.Length == 0)
            metadata = [("trigger", "queue"), ("waiting", "4")];
        foreach (var (key, value) in metadata)
            asked.ScalerMetadata.Add(key, value);
        return asked;
    }

    public static GetMetricsRequest Metric(string metric, ScaledObjectRef asked) => new() { ScaledObjectRef = asked, MetricName = metric };

    /// <summary>Sets the answer from now on, and notifies open streams.</summary>
    public void Answer(string name, ScalerAnswer word) => Answer(name, _ => word);

    public void Answer(string name, Func<ScalerRequest, ScalerAnswer> word)
    {
        _words[name] = word;
        Endpoint.Wake();
    }

    public ValueTask DisposeAsync() => Endpoint.DisposeAsync();

    private ScalerAnswer Answer(ScalerRequest question)
    {
        Interlocked.Increment(ref _asked);
        return _words.TryGetValue(question.Name, out var word)
            ? word(question)
            : new ScalerAnswer.Error(StatusCode.NotFound, $"there is no ScaledObject {question.Namespace}/{question.Name}");
    }
}
