using Bursar.Core.Money;
using Bursar.Core.Scaling;

namespace Bursar.Tests.TestKit.Following;

/// <summary>An autoscaler under comparison. Called at each step of time.</summary>
public abstract class Autoscaler(string name)
{
    public string Name => name;

    /// <summary>Returns the replicas to request now, unchanged if the autoscaler has no decision.</summary>
    public abstract int Evaluate(FollowedServers servers, DateTimeOffset now);

    /// <summary>Whether something that comes again and again comes at this step.</summary>
    protected static bool IsDue(DateTimeOffset now, TimeSpan every, TimeSpan after) =>
        now >= FollowScene.Start + after && (now - FollowScene.Start - after).Ticks % every.Ticks == 0;
}

/// <summary>The peak's replicas, all the time.</summary>
public sealed class FixedReplicas(string name) : Autoscaler(name)
{
    public override int Evaluate(FollowedServers servers, DateTimeOffset now) => servers.Replicas;
}

/// <summary>
/// The product's own demand and decision, fed as its loop feeds them: agents read each second, and their reports are evaluated 0.3 seconds
/// later.
/// </summary>
public sealed class BursarAutoscaler(string name, FollowScene scene, HourlyCost? costCap = null) : Autoscaler(name)
{
    private static readonly TimeSpan Sampling = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OnItsWay = TimeSpan.FromMilliseconds(300);

    private readonly ScalerTerms _terms = new()
    {
        Min = scene.Min,
        Max = scene.Max,
        Triggers = scene.Triggers,
        Behavior = scene.Behavior,
        CostCap = costCap,
    };
    private readonly Dictionary<string, (double? Tokens, int Waiting, int Running)> _told = new(StringComparer.Ordinal);
    private DateTimeOffset _at;
    private ScalerMemory _memory = ScalerMemory.Empty;

    /// <summary>The last.</summary>
    public ScalerDecision? Decision { get; private set; }

    public override int Evaluate(FollowedServers servers, DateTimeOffset now)
    {
        if (IsDue(now, Sampling, TimeSpan.Zero))
            Sample(servers, now);
        if (!IsDue(now, Sampling, OnItsWay))
            return servers.Replicas;
        var snapshot = Observe(servers, now);
        var caps = ReplicaCaps.OfCostCap(snapshot) is { } cap ? new[] { cap } : [];
        Decision = ScalerDecider.Decide(snapshot, ScalerDemand.From(snapshot), caps);
        _memory = Decision.Memory;
        if (!Decision.Scales)
            return servers.Replicas;
        _memory = _memory.WithScaled(Decision.Replicas, Decision.Desired, _terms.Behavior, now);
        return Decision.Desired;
    }

    private void Sample(FollowedServers servers, DateTimeOffset now)
    {
        _told.Clear();
        foreach (var server in servers.Ready)
            _told[server.Name] = (server.TokensPerSecond, server.Now.Waiting, server.Now.Running);
        _at = now;
    }

    private ScalerSnapshot Observe(FollowedServers servers, DateTimeOffset now) =>
        new()
        {
            Namespace = "team",
            Name = "chat",
            Target = "Deployment/chat",
            Now = now,
            CreatedAt = FollowScene.Start,
            Terms = _terms,
            Replicas = servers.Replicas,
            ActualReplicas = servers.Staying.Count(),
            ReplicaStates =
            [
                .. servers.Servers.Select(server => new ReplicaState(server.Name, Pending: false, server.IsReady, server.IsLeaving)),
            ],
            InFlight = _told.Values.Any(one => one.Running + one.Waiting > 0),
            Readings = [Reading(one => one.Tokens), Reading(one => one.Waiting)],
            Prices = new(servers.Staying.Count(), scene.Price * servers.Staying.Count(), scene.Price),
            Memory = _memory,
        };

    private TriggerReading Reading(Func<(double? Tokens, int Waiting, int Running), double?> figure)
    {
        var known = _told
            .Where(one => figure(one.Value) is not null)
            .ToDictionary(one => one.Key, one => figure(one.Value)!.Value, StringComparer.Ordinal);
        return known.Count == 0
            ? new() { At = _at }
            : new()
            {
                PerReplica = known.ToDictionary(one => one.Key, one => ReplicaCalculator.Milli(one.Value), StringComparer.Ordinal),
                Value = known.Values.Sum(),
                At = _at,
            };
    }
}

/// <summary>
/// KEDA over Kubernetes's HorizontalPodAutoscaler: every 15 seconds the HPA queries KEDA, and KEDA its source, for the sum over all servers
/// (<c>AverageValue</c>, <c>useCachedMetrics: false</c>). The source is either a Prometheus or Bursar's endpoint. Prometheus scrapes each
/// server every 15 seconds, at its own offset as Prometheus spreads them, with <c>sum(rate(...[1m]))</c> for tokens. Bursar's endpoint
/// knows the servers' figures of the last second. The start of the 15 seconds is random: <paramref name="phase"/>. KEDA's poll every 30
/// seconds decides between none and one replica, so with a minimum of one it decides nothing.
/// </summary>
public sealed class KedaAutoscaler(string name, FollowScene scene, TimeSpan? scraping, TimeSpan phase) : Autoscaler(name)
{
    private static readonly TimeSpan Sync = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan RateRange = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, List<ServerFigures>> _scraped = new(StringComparer.Ordinal);
    private ScalingHistory _history = ScalingHistory.Empty;

    public override int Evaluate(FollowedServers servers, DateTimeOffset now)
    {
        if (scraping is { } every)
            foreach (var server in servers.Ready)
            {
                if (!IsDue(now, every, Spread(server.Ordinal, every)))
                    continue;
                if (!_scraped.TryGetValue(server.Name, out var scraped))
                    _scraped.Add(server.Name, scraped = []);
                scraped.Add(server.Now);
            }
        if (!IsDue(now, Sync, phase))
            return servers.Replicas;
        var (tokens, waiting) = scraping is null ? Known(servers) : Asked(servers, now);
        var actual = servers.Staying.Count();
        var step = HorizontalScaler.Step(
            servers.Replicas,
            scene.Min,
            scene.Max,
            [Asks("tokens", tokens, scene.Tokens), Asks("queue", waiting, scene.Waiting)],
            scene.Behavior,
            _history,
            now
        );
        _history = step.History.WithScaled(servers.Replicas, step.Desired, scene.Behavior, now);
        return step.Desired;

        Proposal Asks(string metric, double value, double target) =>
            new(ReplicaCalculator.Shared(actual, ReplicaCalculator.Milli(value), ReplicaCalculator.Milli(target), scene.Behavior), metric);
    }

    private static (double Tokens, double Waiting) Known(FollowedServers servers) =>
        (servers.Ready.Sum(server => server.TokensPerSecond ?? 0), servers.Ready.Sum(server => server.Now.Waiting));

    /// <summary>The series of a removed server ends with it.</summary>
    private (double Tokens, double Waiting) Asked(FollowedServers servers, DateTimeOffset now)
    {
        var (tokens, waiting) = (0d, 0d);
        foreach (var server in servers.Ready)
        {
            if (!_scraped.TryGetValue(server.Name, out var scraped))
                continue;
            waiting += scraped[^1].Waiting;
            tokens += Rate([.. scraped.Where(one => one.At > now - RateRange)], now);
        }
        return (tokens, waiting);
    }

    /// <summary>
    /// PromQL's <c>rate</c>: the increase, as if it had gone on to the range's ends where these are near, and half a scrape further where
    /// not.
    /// </summary>
    private static double Rate(ServerFigures[] scraped, DateTimeOffset now)
    {
        if (scraped.Length < 2)
            return 0;
        double increase = scraped[^1].Generated - scraped[0].Generated;
        var span = (scraped[^1].At - scraped[0].At).TotalSeconds;
        var spacing = span / (scraped.Length - 1);
        var before = Towards((scraped[0].At - (now - RateRange)).TotalSeconds);
        if (increase > 0)
            before = Math.Min(before, span * scraped[0].Generated / increase);
        return increase * (span + before + Towards((now - scraped[^1].At).TotalSeconds)) / span / RateRange.TotalSeconds;

        double Towards(double end) => end < spacing * 1.1 ? end : spacing / 2;
    }

    private static TimeSpan Spread(int ordinal, TimeSpan every) => FollowScene.Step * (ordinal * 43 % (int)(every / FollowScene.Step));
}
