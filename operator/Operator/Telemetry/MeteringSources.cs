using Bursar.Core.Decisions;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// The current source of measurements per node. A source that stops is still returned for a minute, because an agent's update or a change
/// of leader is no outage. Thread-safe.
/// </summary>
internal sealed class MeteringSources(AgentCollector agents, ExporterReader exporters, TimeProvider time)
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (MeteringSource Source, DateTimeOffset At)> _known = new(StringComparer.Ordinal);

    public MeteringSource Get(string node)
    {
        var now = time.GetUtcNow();
        var (agent, served) = (agents.SourceOf(node), exporters.ServedAt(node));
        lock (_gate)
        {
            // An agent without GPUs reports that, so there is nothing to wait for.
            if (agent is { } source)
                _known[node] = (source, now);
            else if (served is { } at && !(_known.TryGetValue(node, out var before) && before.At > at))
                _known[node] = (MeteringSource.DcgmExporter, at);
            else if (!_known.ContainsKey(node))
                // New node: assume the source that is ready there.
                _known[node] = (
                    agents.HasOn(node) ? MeteringSource.Agent
                    : exporters.HasOn(node) ? MeteringSource.DcgmExporter
                    : MeteringSource.Awaited,
                    now
                );
            var (last, since) = _known[node];
            return now - since <= Patience ? last : MeteringSource.None;
        }
    }
}
