using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Core.Scaling;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// A HorizontalPodAutoscaler over a Deployment, and <see cref="HorizontalScaler"/> beside it. The autoscaler queries each metric exactly
/// once in a pass, after it has read the scale. The answer is computed from that scale, the scaler takes the same step, and the next pass
/// compares the results. No controller manages the Deployment and its pods: this class does, between two passes.
/// </summary>
/// <remarks>
/// On a busy machine much time passes between the autoscaler's reads, queries and writes. The API server's audit log records its reads. A
/// pass over a scale that has changed since is answered with errors, and the scale is left alone until the autoscaler has written it.
/// </remarks>
internal sealed class WatchedAutoscaler
{
    private const string Team = "default";

    /// <summary>
    /// An answer is given only at instants at which no sample is this near to leaving a window, because the autoscaler reads its clock a
    /// little later.
    /// </summary>
    private static readonly TimeSpan Clear = TimeSpan.FromMilliseconds(120);

    /// <summary>
    /// The autoscaler's wait after a pass. Any further time between two passes may lie between the answer and the reading of its clock.
    /// </summary>
    private static readonly TimeSpan Sync = TimeSpan.FromSeconds(1);

    private readonly RawClient _client;
    private readonly ScaleReads _reads;
    private readonly Random _random;
    private readonly Metric[] _metrics;
    private readonly ScalingBehavior _behavior;
    private readonly (int Min, int Max) _range;
    private readonly List<Pod> _pods = [];
    private readonly Proposal[] _proposals;
    private readonly List<string> _tale = [];
    private ScalingHistory _history = ScalingHistory.Empty;
    private readonly Dictionary<DateTimeOffset, TimeSpan> _lags = [];
    private readonly Dictionary<DateTimeOffset, DateTimeOffset> _next = [];
    private (int Spec, ScalingHistory History, DateTimeOffset At)? _before;
    private string? _version;
    private HorizontalStep? _last;
    private int _spec = 3;
    private int _status;
    private double _demand = 3;
    private int _unmoved;
    private bool _moved;
    private bool _closed;
    private bool _outdated;
    private volatile bool _looking;
    private DateTimeOffset _changed;
    private Task _change = Task.CompletedTask;

    private sealed record Metric(string Type, long Target);

    private sealed record Pod(string Name, char State);

    public WatchedAutoscaler(RawClient client, ScaleReads reads, string name, int seed)
    {
        (_client, _reads, Name, _random) = (client, reads, name, new Random(seed));
        var types = new[] { "average", "value", "pods" };
        _metrics =
        [
            .. Enumerable.Range(0, _random.Next(4) == 0 ? 2 : 1).Select(i => new Metric(types[(seed + i) % 3], _random.Next(1, 5000))),
        ];
        _proposals = new Proposal[_metrics.Length];
        _behavior = new(Rules(0.6), Rules(0.3));
        _range = (_random.Next(1, 3), _random.Next(8, 16));
    }

    public string Name { get; }

    /// <summary>Looks whose outcome was compared.</summary>
    public int Compared { get; private set; }

    /// <summary>
    /// Of these, those where a busy machine leaves open when in between the autoscaler read its clock, and an instant is found that
    /// explains what it did.
    /// </summary>
    public int Late { get; private set; }

    /// <summary>
    /// The same where a watch event that came late brought the next look sooner than the sync period after the clock was read, so that all
    /// there is to go by is that the next look had not begun; of this look, or of an earlier one whose change a window has not forgotten.
    /// </summary>
    public int LaterThanKnown { get; private set; }

    /// <summary>Looks that the pure function explains at the instant of the answer, without a guess about the autoscaler's clock.</summary>
    public int Exact => Compared - Late - LaterThanKnown;

    /// <summary>Looks that were answered with errors only, for they fell between two worlds.</summary>
    public int Skipped { get; private set; }

    public int Scalings { get; private set; }

    public System.Collections.Concurrent.ConcurrentDictionary<string, int> Reasons { get; } = new(StringComparer.Ordinal);

    /// <summary>The first difference between the two, with what went before.</summary>
    public string? Difference { get; private set; }

    public override string ToString() =>
        $"{Name}: {string.Join(", ", _metrics.Select(one => $"{one.Type} {one.Target}m"))}; {_range}; up {Show(_behavior.Up)}; down {Show(_behavior.Down)}";

    public async Task CreateAsync(CancellationToken ct)
    {
        await _client.PostAsync(
            $"/apis/apps/v1/namespaces/{Team}/deployments",
            new()
            {
                ["apiVersion"] = "apps/v1",
                ["kind"] = "Deployment",
                ["metadata"] = new JsonObject { ["name"] = Name },
                ["spec"] = new JsonObject
                {
                    ["replicas"] = _spec,
                    ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = Name } },
                    ["template"] = new JsonObject
                    {
                        ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["app"] = Name } },
                        ["spec"] = PodSpec(),
                    },
                },
            },
            ct
        );
        await FollowAsync(_spec, ct);
        await _client.PostAsync(
            $"/apis/autoscaling/v2/namespaces/{Team}/horizontalpodautoscalers",
            new()
            {
                ["apiVersion"] = "autoscaling/v2",
                ["kind"] = "HorizontalPodAutoscaler",
                ["metadata"] = new JsonObject { ["name"] = Name },
                ["spec"] = new JsonObject
                {
                    ["scaleTargetRef"] = new JsonObject
                    {
                        ["apiVersion"] = "apps/v1",
                        ["kind"] = "Deployment",
                        ["name"] = Name,
                    },
                    ["minReplicas"] = _range.Min,
                    ["maxReplicas"] = _range.Max,
                    ["metrics"] = new JsonArray([.. _metrics.Select((metric, i) => Spec(metric, $"{Name}-{i}"))]),
                    ["behavior"] = new JsonObject { ["scaleUp"] = Spec(_behavior.Up), ["scaleDown"] = Spec(_behavior.Down) },
                },
            },
            ct
        );
    }

    /// <summary>The value of one of the autoscaler's metrics.</summary>
    public async Task<IReadOnlyDictionary<string, long>?> AnswerAsync(int index, CancellationToken ct)
    {
        if (index == 0)
            await BeginAsync(ct);
        var (metric, told) = (_metrics[index], (IReadOnlyDictionary<string, long>?)null);
        if (!_closed && _random.Next(20) > 0)
        {
            told = metric.Type switch
            {
                "pods" => _pods
                    .Where(_ => _random.Next(8) > 0)
                    .ToDictionary(
                        pod => pod.Name,
                        _ => (long)(metric.Target * _demand / Math.Max(1, _pods.Count) * (0.7 + _random.NextDouble() * 0.6))
                    ),
                "value" => new Dictionary<string, long> { [""] = (long)(metric.Target * Near(_demand / Math.Max(1, _spec))) },
                _ => new Dictionary<string, long> { [""] = (long)(metric.Target * (_random.Next(3) > 0 ? _demand : _status * Near(1))) },
            };
        }
        ReplicaState[] replicas =
        [
            .. _pods.Select(pod => new ReplicaState(
                pod.Name,
                Pending: pod.State == 'P',
                Ready: pod.State == 'R',
                Leaving: pod.State == 'F'
            )),
        ];
        int? asked = told is null
            ? null
            : metric.Type switch
            {
                "pods" => told.Count == 0 ? null : ReplicaCalculator.PerReplica(_spec, metric.Target, told, replicas, _behavior),
                "value" => ReplicaCalculator.Whole(_spec, told[""], metric.Target, replicas, _behavior),
                _ => ReplicaCalculator.Shared(_status, told[""], metric.Target, _behavior),
            };
        _proposals[index] = new(asked, $"{index}", "no figure");
        if (index == _metrics.Length - 1)
            End(told, ct);
        return told is { Count: 0 } ? null : told;
    }

    /// <summary>
    /// Reads the scale as the autoscaler has just read it: what it did after its last look, and what it goes by in this one.
    /// </summary>
    private async Task BeginAsync(CancellationToken ct)
    {
        var asked = DateTimeOffset.UtcNow;
        _looking = true;
        await _change;
        var seen = await _reads.LastAsync(Name, ct);
        var scale = await _client.GetAsync($"/apis/apps/v1/namespaces/{Team}/deployments/{Name}/scale", ct);
        var (spec, status) = (seen.Spec, seen.Status);
        _outdated = seen.Version != (string?)scale["metadata"]!["resourceVersion"];
        // Pods come to the autoscaler by a watch.
        var inTime = !_outdated && seen.At - _changed > TimeSpan.FromMilliseconds(250);
        if (_before is { } before && Difference is null)
        {
            var lag = asked - before.At - Sync;
            _lags[before.At] = lag > TimeSpan.Zero ? lag : TimeSpan.Zero;
            _next[before.At] = asked;
            var autoscaler = await _client.GetAsync($"/apis/autoscaling/v2/namespaces/{Team}/horizontalpodautoscalers/{Name}", ct);
            // A status that lost against a stale cache of the autoscaler's own proves nothing.
            var told = (string?)autoscaler["metadata"]!["resourceVersion"] != _version && _last!.Error is null;
            _version = (string?)autoscaler["metadata"]!["resourceVersion"];
            var limited = autoscaler["status"]?["conditions"]?.AsArray().FirstOrDefault(one => (string?)one!["type"] == "ScalingLimited");
            var why = (string?)limited?["status"] == "True" ? (string?)limited["reason"] : null;
            bool Explains(HorizontalStep step) =>
                (_moved ? step.Desired == _unmoved : step.Desired == spec)
                && (
                    !told
                    || why
                        == (
                            step.LimitedBy is HorizontalScaler.ScaleUpStabilized or HorizontalScaler.ScaleDownStabilized
                                ? null
                                : step.LimitedBy
                        )
                );
            if (!Explains(_last!))
            {
                var at = before.At;
                for (; !Explains(_last!) && at < asked; at += TimeSpan.FromMilliseconds(20))
                    Step(before.Spec, before.History, at);
                if (Explains(_last!))
                    _ = at <= before.At + _lags[before.At] ? Late++ : LaterThanKnown++;
                else if (LateBefore(before, Explains))
                    LaterThanKnown++;
                else
                    Difference =
                        $"{this}\nthe autoscaler set {spec} and was limited by {why ?? "nothing"}, the pure function {_last!.Desired} and {_last.LimitedBy ?? "nothing"}, at most {lag} later\n{string.Join('\n', _tale.TakeLast(25))}";
            }
            Compared++;
        }
        (_spec, _status) = (spec, status);
        if (_random.Next(4) == 0)
            _demand = _random.Next(0, 18) + _random.NextDouble();
        for (var wait = 0; wait < 16 && !IsClear(DateTimeOffset.UtcNow); wait++)
            await Task.Delay(50, ct);
        _closed = !inTime || !IsClear(DateTimeOffset.UtcNow);
        if (_closed)
            Skipped++;
    }

    private void End(IReadOnlyDictionary<string, long>? told, CancellationToken ct)
    {
        var now = DateTimeOffset.UtcNow;
        _before = (_spec, _history, now);
        Step(_spec, _history, now);
        _tale.Add(
            $"{now:mm:ss.fff} {_spec} (status {_status}, pods {string.Concat(_pods.Select(pod => pod.State))}) told {(told is null ? "an error" : string.Join(' ', told.Values))}: "
                + $"{string.Join(' ', _proposals.Select(one => one.Replicas?.ToString(CultureInfo.InvariantCulture) ?? "!"))} -> {_last!.Desired} {_last.LimitedBy}"
        );
        var reason = _last.Error is not null ? "error" : _last.LimitedBy ?? "free";
        Reasons[reason] = Reasons.GetValueOrDefault(reason) + 1;
        if (_last.Desired != _spec)
            Scalings++;
        // If the scale is outdated, the next pass shows what others did.
        (_spec, _unmoved, _moved) = (_last.Desired, _last.Desired, _outdated);
        _looking = false;
        _change = ChangeAsync(_spec, ct);
    }

    private bool LateBefore((int Spec, ScalingHistory History, DateTimeOffset At) look, Func<HorizontalStep, bool> explains)
    {
        foreach (
            var read in look
                .History.Recommendations.Select(one => one.At)
                .Concat(look.History.Added.Concat(look.History.Taken).Select(one => one.At))
                .Distinct()
        )
        {
            for (var at = read; _next.TryGetValue(read, out var next) && at < next; at += TimeSpan.FromMilliseconds(20))
            {
                ScaleChange[] Moved(IEnumerable<ScaleChange> changes) =>
                    [.. changes.Select(one => one.At == read ? one with { At = at } : one)];
                var history = new ScalingHistory
                {
                    Recommendations = [.. look.History.Recommendations.Select(one => one.At == read ? one with { At = at } : one)],
                    Added = Moved(look.History.Added),
                    Taken = Moved(look.History.Taken),
                };
                Step(look.Spec, history, look.At);
                if (explains(_last!))
                    return true;
            }
        }
        Step(look.Spec, look.History, look.At);
        return false;
    }

    private void Step(int current, ScalingHistory history, DateTimeOffset at)
    {
        _last = HorizontalScaler.Step(current, _range.Min, _range.Max, _proposals, _behavior, history, at);
        _history = _last.History.WithScaled(current, _last.Desired, _behavior, at);
    }

    /// <summary>Between this look and the next one.</summary>
    private async Task ChangeAsync(int desired, CancellationToken ct)
    {
        if (_random.Next(5) < 2)
            return;
        await Task.Delay(300, ct);
        var path = $"/apis/apps/v1/namespaces/{Team}/deployments/{Name}/scale";
        // The autoscaler's write comes first: the API server refuses it on top of another.
        while ((int)(await _client.GetAsync(path, ct))["spec"]!["replicas"]! != desired)
        {
            if (_looking)
                return;
            await Task.Delay(50, ct);
        }
        if (_random.Next(12) == 0)
        {
            // Another actor scales it.
            desired = _random.Next(_range.Min, _range.Max + 1);
            await _client.MergeAsync(path, new() { ["spec"] = new JsonObject { ["replicas"] = desired } }, ct);
            (_spec, _moved) = (desired, true);
            _tale.Add($"someone else sets {desired}");
        }
        await FollowAsync(desired, ct);
        _changed = DateTimeOffset.UtcNow;
    }

    /// <summary>Acts as a Deployment's controllers and its nodes do, after a random delay.</summary>
    private async Task FollowAsync(int desired, CancellationToken ct)
    {
        if (_random.Next(5) > 0)
        {
            await _client.MergeAsync(
                $"/apis/apps/v1/namespaces/{Team}/deployments/{Name}/status",
                new() { ["status"] = new JsonObject { ["replicas"] = desired } },
                ct
            );
        }
        if (_metrics.All(metric => metric.Type == "average"))
            return;
        for (var moves = 0; moves < 5 && _pods.Count < desired; moves++)
        {
            var pod = new Pod($"{Name}-{_random.Next(1 << 30):x8}", 'P');
            await _client.PostAsync(
                $"/api/v1/namespaces/{Team}/pods",
                new()
                {
                    ["apiVersion"] = "v1",
                    ["kind"] = "Pod",
                    ["metadata"] = new JsonObject
                    {
                        ["name"] = pod.Name,
                        ["labels"] = new JsonObject { ["app"] = Name },
                    },
                    ["spec"] = PodSpec(),
                },
                ct
            );
            _pods.Add(pod);
        }
        for (var moves = 0; moves < 5 && _pods.Count > desired; moves++)
        {
            var pod = _pods[_random.Next(_pods.Count)];
            await _client.DeleteAsync($"/api/v1/namespaces/{Team}/pods/{pod.Name}", ct);
            _pods.Remove(pod);
        }
        for (var i = 0; i < _pods.Count; i++)
        {
            if (_random.Next(3) == 0)
                continue;
            var state = _pods[i].State switch
            {
                'P' => _random.Next(3) > 0 ? 'R' : 'U',
                'F' => 'F',
                _ => "RRRRRRRRUF"[_random.Next(10)],
            };
            if (state == _pods[i].State)
                continue;
            await _client.MergeAsync(
                $"/api/v1/namespaces/{Team}/pods/{_pods[i].Name}/status",
                new()
                {
                    ["status"] = new JsonObject
                    {
                        ["phase"] = state == 'F' ? "Failed" : "Running",
                        ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Ready", ["status"] = state == 'R' ? "True" : "False" }),
                    },
                },
                ct
            );
            _pods[i] = _pods[i] with { State = state };
        }
    }

    private bool IsClear(DateTimeOffset now)
    {
        var rules = new[] { _behavior.Up, _behavior.Down };
        bool Near(DateTimeOffset at, int seconds) =>
            seconds > 0
            && now - at - TimeSpan.FromSeconds(seconds) is var past
            && past > -Clear
            && past < _lags.GetValueOrDefault(at) + Clear;
        return !_history.Recommendations.Any(one => rules.Any(rule => Near(one.At, rule.StabilizationWindowSeconds)))
            && !_history
                .Added.Concat(_history.Taken)
                .Any(one => rules.Any(rule => rule.Policies.Any(policy => Near(one.At, policy.PeriodSeconds))));
    }

    /// <summary>Often about what a tolerance ends at.</summary>
    private double Near(double ratio) =>
        _random.Next(3) > 0 ? ratio : new[] { 0.7, 0.89, 0.9, 0.91, 0.95, 1, 1.05, 1.09, 1.1, 1.11, 1.3 }[_random.Next(11)];

    private ScalingRules Rules(double windows) =>
        new()
        {
            StabilizationWindowSeconds = _random.NextDouble() < windows ? 0 : _random.Next(2, 11),
            SelectPolicy = _random.Next(8) switch
            {
                0 => ScalingPolicySelect.Disabled,
                < 4 => ScalingPolicySelect.Min,
                _ => ScalingPolicySelect.Max,
            },
            Policies =
            [
                .. Enumerable
                    .Range(0, _random.Next(1, 3))
                    .Select(_ =>
                        _random.Next(2) == 0
                            ? new ScalingPolicy(ScalingPolicyType.Pods, _random.Next(1, 6), _random.Next(1, 11))
                            : new(ScalingPolicyType.Percent, _random.Next(20, 250), _random.Next(1, 11))
                    ),
            ],
            Tolerance = new[] { 0.1, 0.1, 0, 0.05, 0.3 }[_random.Next(5)],
        };

    private static JsonObject Spec(ScalingRules rules)
    {
        var spec = new JsonObject
        {
            ["stabilizationWindowSeconds"] = rules.StabilizationWindowSeconds,
            ["selectPolicy"] = rules.SelectPolicy.ToString(),
            ["policies"] = new JsonArray([
                .. rules.Policies.Select(policy => new JsonObject
                {
                    ["type"] = policy.Type.ToString(),
                    ["value"] = policy.Value,
                    ["periodSeconds"] = policy.PeriodSeconds,
                }),
            ]),
        };
        // The default tolerance is 0.1.
        if (rules.Tolerance != 0.1)
            spec["tolerance"] = rules.Tolerance.ToString(CultureInfo.InvariantCulture);
        return spec;
    }

    private static JsonObject Spec(Metric metric, string name)
    {
        var (type, field) = metric.Type switch
        {
            "pods" => ("Pods", "AverageValue"),
            "value" => ("External", "Value"),
            _ => ("External", "AverageValue"),
        };
        return new()
        {
            ["type"] = type,
            [type.ToLowerInvariant()] = new JsonObject
            {
                ["metric"] = new JsonObject { ["name"] = name },
                ["target"] = new JsonObject { ["type"] = field, [char.ToLowerInvariant(field[0]) + field[1..]] = $"{metric.Target}m" },
            },
        };
    }

    private static JsonObject PodSpec() =>
        new() { ["containers"] = new JsonArray(new JsonObject { ["name"] = "main", ["image"] = "example.invalid/main" }) };

    private static string Show(ScalingRules rules) =>
        $"{rules.StabilizationWindowSeconds}s {rules.SelectPolicy} {string.Join('+', rules.Policies.Select(policy => $"{policy.Type} {policy.Value}/{policy.PeriodSeconds}s"))} ±{rules.Tolerance.ToString(CultureInfo.InvariantCulture)}";
}
