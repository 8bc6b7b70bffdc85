using System.Text.Json.Nodes;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// What kube-controller-manager read of each Deployment's scale, by the API server's audit log. Safe for use from many threads.
/// </summary>
/// <param name="path">The log, which is written before a client has its answer.</param>
internal sealed class ScaleReads(string path)
{
    /// <summary>The audit policy for <see cref="TestKit.ControlPlane"/>: the reads of scales, with the answers.</summary>
    public const string Policy = """
        apiVersion: audit.k8s.io/v1
        kind: Policy
        omitStages: [RequestReceived]
        rules:
        - {level: RequestResponse, verbs: [get], resources: [{group: apps, resources: [deployments/scale]}]}
        - {level: None}
        """;

    private readonly SemaphoreSlim _gate = new(1);
    private readonly Dictionary<string, ScaleRead> _last = new(StringComparer.Ordinal);
    private StreamReader? _log;
    private string _begun = "";

    /// <summary>The latest read of a Deployment's scale; waits for the first one.</summary>
    public async Task<ScaleRead> LastAsync(string deployment, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            while (true)
            {
                _log ??= new(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
                // The end of the log may be half a line.
                var lines = (_begun + await _log.ReadToEndAsync(ct)).Split('\n');
                _begun = lines[^1];
                foreach (var line in lines[..^1])
                    Add(JsonNode.Parse(line)!);
                if (_last.TryGetValue(deployment, out var read))
                    return read;
                await Task.Delay(20, ct);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private void Add(JsonNode entry)
    {
        if (
            !((string?)entry["userAgent"] ?? "").StartsWith("kube-controller-manager/", StringComparison.Ordinal)
            || entry["responseObject"] is not { } scale
            || scale["spec"] is null
        )
            return;
        _last[(string)entry["objectRef"]!["name"]!] = new(
            (int?)scale["spec"]!["replicas"] ?? 0,
            (int?)scale["status"]?["replicas"] ?? 0,
            (string)scale["metadata"]!["resourceVersion"]!,
            (DateTimeOffset)entry["requestReceivedTimestamp"]!
        );
    }
}

/// <summary>One read of a scale.</summary>
/// <param name="Spec">The replicas asked for.</param>
/// <param name="Status">The replicas that there are.</param>
/// <param name="Version">The resource version.</param>
/// <param name="At">When the API server received the request.</param>
internal sealed record ScaleRead(int Spec, int Status, string Version, DateTimeOffset At);
