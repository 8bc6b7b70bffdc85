using Bursar.Core.Decisions;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Which source serves for a node. A source that falls silent is still named for a minute: an agent that is updated and an operator
/// that takes the lead are no news to anyone.
/// </summary>
internal sealed class MeteringSources(AgentCollector agents, ExporterReader exporters, TimeProvider time)
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (MeteringSource Source, DateTimeOffset At)> _known = new(StringComparer.Ordinal);

    public MeteringSource Of(string node)
    {
        var now = time.GetUtcNow();
        var (agent, served) = (agents.SourceOf(node), exporters.ServedAt(node));
        lock (_gate)
        {
            // An agent that sees no GPU says so by itself: there is nothing to wait for.
            if (agent is { } source)
                _known[node] = (source, now);
            else if (served is { } at && !(_known.TryGetValue(node, out var before) && before.At > at))
                _known[node] = (MeteringSource.DcgmExporter, at);
            else if (!_known.ContainsKey(node))
                // New here: what stands ready on the node is about to serve.
                _known[node] = (
                    agents.HasOn(node) ? MeteringSource.Agent
                    : exporters.HasOn(node) ? MeteringSource.DcgmExporter
                    : MeteringSource.Awaited,
                    now
                );
            var (last, since) = _known[node];
            return now - since <= Patience ? last : MeteringSource.Nobody;
        }
    }
}
