using System.Diagnostics;
using System.Text.Json.Nodes;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Demo;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Targets;
using Bursar.Sandbox;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// A thousand scalers, a hundred to a budget, evaluated every second for ten minutes with changing demand and full recommendation windows,
/// and their targets, found in the operator's caches.
/// </summary>
internal static class ScalersProcess
{
    private const int Scalers = 1000;
    private const int Budgets = 10;
    private const int Looks = 600;

    public static async Task<int> RunAsync(CancellationToken ct)
    {
        var (now, random) = (new DateTimeOffset(2026, 11, 22, 9, 0, 0, TimeSpan.Zero), new Random(1));
        var price = HourlyCost.FromDecimal(3.06m);
        var terms = new ScalerTerms
        {
            Max = 20,
            Triggers =
            [
                new()
                {
                    Name = "s0-tokens",
                    Type = TriggerType.Tokens,
                    Target = 1000,
                },
                new()
                {
                    Name = "s1-queue",
                    Type = TriggerType.Queue,
                    Target = 4,
                },
                new()
                {
                    Name = "s2-prometheus",
                    Type = TriggerType.Prometheus,
                    Target = 10,
                },
            ],
        };
        var (replicas, memories, seconds) = (new int[Scalers], new ScalerMemory[Scalers], new double[Looks]);
        Array.Fill(replicas, 2);
        Array.Fill(memories, ScalerMemory.Empty);
        long scaled = 0,
            capped = 0;
        for (var look = 0; look < Looks; look++, now = now.AddSeconds(1))
        {
            var snapshots = Enumerable.Range(0, Scalers).Select(i => Snapshot(i)).ToArray();
            var clock = Stopwatch.StartNew();
            var askers = Array.ConvertAll(snapshots, scaler => new CapRequest(scaler.Name, scaler, ScalerDemand.From(scaler)));
            for (var budget = 0; budget < Budgets; budget++)
            {
                var own = askers[(budget * Scalers / Budgets)..((budget + 1) * Scalers / Budgets)];
                var rate = price * (4 * own.Length);
                var caps = ReplicaCaps.OfBudget("budget", new(rate, rate.For(TimeSpan.FromHours(24)), TimeSpan.FromHours(24)), own);
                for (var i = 0; i < own.Length; i++)
                {
                    var at = budget * Scalers / Budgets + i;
                    var decision = ScalerDecider.Decide(own[i].Scaler, own[i].Demand, [caps[own[i].Key]]);
                    memories[at] = decision.Scales
                        ? decision.Memory.WithScaled(replicas[at], decision.Desired, terms.Behavior, now)
                        : decision.Memory;
                    if (decision.Scales)
                        (replicas[at], scaled) = (decision.Desired, scaled + 1);
                    if (decision.IsCapped)
                        capped++;
                }
            }
            seconds[look] = clock.Elapsed.TotalSeconds;
        }
        if (scaled == 0 || capped == 0)
            throw new InvalidOperationException("the scalers of the bench have nothing to do");
        Array.Sort(seconds, Looks / 2, Looks / 2);
        ChildProcess.Tell("scalers", Scalers);
        ChildProcess.Tell("scaled", scaled);
        ChildProcess.Tell("median", seconds[Looks * 3 / 4]);
        ChildProcess.Tell("slow", seconds[Looks / 2 + Looks * 99 / 200]);
        ChildProcess.Tell("targets", await FindAsync(ct));
        Console.WriteLine("end");
        return 0;

        ScalerSnapshot Snapshot(int i)
        {
            var states = Enumerable
                .Range(0, replicas[i])
                .Select(k => new ReplicaState($"chat-{k}", Pending: false, Ready: true, Leaving: false))
                .ToArray();
            var tokens = states.ToDictionary(state => state.Key, _ => random.NextInt64(0, 2_500_000), StringComparer.Ordinal);
            var queue = states.ToDictionary(state => state.Key, _ => random.NextInt64(0, 9_000), StringComparer.Ordinal);
            return new()
            {
                Namespace = "team",
                Name = $"chat-{i:D4}",
                Target = "Deployment/chat",
                Now = now,
                CreatedAt = now.AddDays(-1),
                Terms = terms,
                Replicas = replicas[i],
                ActualReplicas = replicas[i],
                ReplicaStates = states,
                Readings =
                [
                    new()
                    {
                        Value = tokens.Values.Sum() / 1000d,
                        PerReplica = tokens,
                        At = now,
                    },
                    new()
                    {
                        Value = queue.Values.Sum() / 1000d,
                        PerReplica = queue,
                        At = now,
                    },
                    new() { Value = random.Next(0, 120), At = now },
                ],
                Prices = new(replicas[i], price * replicas[i], price),
                Memory = memories[i],
            };
        }
    }

    /// <summary>
    /// Measures the time to find every target, the manager of its replicas, and its pods, in caches that follow an API server: the least of
    /// several.
    /// </summary>
    private static async Task<double> FindAsync(CancellationToken ct)
    {
        const string ns = "default",
            bursar = "bursar-system";
        await using var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions(), ct);
        using var client = new KubeClient(
            new KubeConfig
            {
                Server = sandbox.Address,
                CertificateAuthorityPem = sandbox.CertificateAuthority,
                Token = sandbox.Token,
            }
        );
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await client.CreateAsync<V1CustomResourceDefinition>((JsonObject)YamlBody.Parse(yaml)!, null, ct);
        await client.CreateAsync<V1CustomResourceDefinition>(
            JsonNode
                .Parse(
                    """
                    {"metadata": {"name": "scaledobjects.keda.sh"}, "spec": {"group": "keda.sh", "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"}, "scope": "Namespaced",
                     "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}
                    """
                )!
                .AsObject(),
            null,
            ct
        );
        await client.CreateAsync(new V1Namespace { Metadata = new() { Name = bursar } }, ct);
        for (var i = 0; i < Scalers; i++)
        {
            var deployment = await client.CreateAsync<V1Deployment>(
                Json($$$"""{"metadata": {"name": "chat-{{{i}}}"}, "spec": {"replicas": 2, {{{Template}}}}}"""),
                ns,
                ct
            );
            var set = await client.CreateAsync<V1ReplicaSet>(
                Json(
                    $$$"""{"metadata": {"name": "chat-{{{i}}}-a", {{{OwnedBy("Deployment", deployment.Metadata)}}}}, "spec": {{{{Template}}}}}"""
                ),
                ns,
                ct
            );
            foreach (var pod in (string[])["x", "y"])
                await client.CreateAsync<V1Pod>(
                    Json(
                        $$$"""{"metadata": {"name": "chat-{{{i}}}-a-{{{pod}}}", {{{OwnedBy("ReplicaSet", set.Metadata)}}}}, "spec": {"containers": [{"name": "main", "image": "serve:1"}]}}"""
                    ),
                    ns,
                    ct
                );
            await client.CreateAsync(
                new V1ScaledObject
                {
                    Metadata = new() { Name = $"chat-{i}", Namespace = ns },
                    Spec = new()
                    {
                        MaxReplicaCount = 10,
                        ScaleTargetRef = new() { Name = $"chat-{i}" },
                    },
                },
                ct
            );
        }
        var stores = new ClusterStores(client, bursar);
        using var end = new CancellationTokenSource();
        var caches = stores.RunAsync(end.Token);
        await stores.HasSyncedAsync(ct);
        var targets = new ScaleTargets(stores);

        var best = double.MaxValue;
        for (var pass = 0; pass < 10; pass++)
        {
            var clock = Stopwatch.StartNew();
            var pods = 0;
            for (var i = 0; i < Scalers; i++)
                if (targets.Find(ns, "apps/v1", "Deployment", $"chat-{i}", out _) is { OtherAutoscaler.Max: 10 } target)
                    pods += target.ReplicaPods.Count;
            best = Math.Min(best, clock.Elapsed.TotalSeconds);
            if (pods != 2 * Scalers)
                throw new InvalidOperationException($"{pods} of {2 * Scalers} pods were found");
        }
        await end.CancelAsync();
        await caches.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return best;
    }

    private const string Template = """
        "selector": {"matchLabels": {"app": "chat"}}, "template": {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [{"name": "main", "image": "serve:1"}]}}
        """;

    private static string OwnedBy(string kind, V1ObjectMeta owner) =>
        $$$"""
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "{{{kind}}}", "name": "{{{owner.Name}}}", "uid": "{{{owner.Uid}}}", "controller": true}]
            """;

    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();
}
