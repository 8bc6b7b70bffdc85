using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The dashboards and alerts of the chart on a real Prometheus that scrapes the operator and the agents of the embedded cluster.
/// </summary>
public sealed partial class DashboardTests
{
    private const string Workloads = "bursar_workload_cost{";

    private static readonly (string Namespace, string Name)[] Budgets = [("team", "b"), ("team", "late"), ("lab", "lab"), ("*", "all")];

    // Wall time, because Prometheus is another program.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task Dashboards_and_alerts_are_answered_by_a_real_Prometheus()
    {
        PrometheusServer.Require();
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 16,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        var replica = await world.StartOperatorAsync(Ct);
        var load = await PrepareAsync(scene);
        var agents = (await world.Client.ListAsync<V1Pod>(new() { Namespace = ClusterWorld.AgentNamespace }, Ct)).Items;
        await using var server = await PrometheusServer.StartAsync([
            await replica.AddressAsync(Ct),
            .. agents.Select(pod => $"{pod.Status.PodIP}:9464"),
        ]);

        var open = Dashboards().SelectMany(Queries).ToList();
        open.Should().HaveCountGreaterThan(80);
        var begun = Stopwatch.StartNew();
        while (true)
        {
            load.Offer(new(world.Time.GetUtcNow(), 100, 50));
            await scene.PassAsync(1);
            var left = new List<Query>();
            foreach (var query in open)
                if (!await AnswersAsync(server, query))
                    left.Add(query);
            open = left;
            if (open.Count == 0 || begun.Elapsed > Patience)
                break;
            await Task.Delay(200, Ct);
        }
        open.Select(query => $"{query.From}: {query.Expressions[0]}").Should().BeEmpty("each expression of a dashboard has data");

        // Most alerts have none here, but Prometheus understands them.
        var rules = YamlBody.Parse(Repository.Read("charts/gpu-budget-operator/files/prometheus-rules.yaml"))!["groups"]![0]!["rules"]!;
        rules.AsArray().Should().HaveCountGreaterThan(10);
        foreach (var rule in rules.AsArray())
            await server.QueryAsync((string)rule!["expr"]!);

        // The table of a ClusterGpuBudget shows the workloads of all its namespaces, that of a GpuBudget its own.
        var table = Dashboards()
            .SelectMany(Queries)
            .Single(query => query.Expressions[0].StartsWith($"max by (namespace, kind, workload) ({Workloads}", StringComparison.Ordinal));
        (await NamespacesAsync(server, table, "*", "all")).Should().Equal("lab", "team");
        (await NamespacesAsync(server, table, "lab", "lab")).Should().Equal("lab");
    }

    /// <summary>
    /// Creates what the panels show: budgets with and without a time of exhaustion and over namespaces, a suspended job, a trainer, model
    /// servers with requests, and a scaler that its cost cap limits.
    /// </summary>
    private static async Task<ServedLoad> PrepareAsync(Scene scene)
    {
        var world = scene.World;
        await world.CreateNamespaceAsync("lab", Ct);
        await scene.BudgetAsync("10000");
        await scene.BudgetAsync("100", """{"selector": {"matchLabels": {"app": "late"}}}""", "late");
        await world.CreateBudgetAsync("lab", "lab", "10", Ct);
        await ClusterBudgets.CreateAsync(world, "all", "10000", "\"namespaces\": [\"team\", \"lab\"]");
        await world.CreateDeploymentAsync("team", "late", 1, 1, Ct);
        var load = await Scalers.ServeAsync(scene, "chat");
        await Scalers.ScalerAsync(
            scene,
            "chat",
            """ "minReplicaCount": 1, "maxReplicaCount": 6, "costCap": {"perHour": "7"}, "triggers": [{"type": "queue", "metadata": {"waiting": "1"}}] """
        );
        await Scalers.UntilEvaluatedAsync(scene, "chat");
        for (var i = 0; i < 40; i++)
            load.Offer(new(world.Time.GetUtcNow(), 100, 2000));
        await scene.UntilAsync("the scaler scales up", async () => await scene.ReplicasAsync("chat") == 2);
        await world.CreateJobAsync(
            "lab",
            "train",
            1,
            Ct,
            (Bursar.Operator.Cluster.AgentTargets.PortAnnotation, "9000"),
            ("sim.bursar.dev/work", "training"),
            ("sim.bursar.dev/steps", "30000"),
            ("sim.bursar.dev/step-time", "90ms"),
            ("sim.bursar.dev/report", "metric")
        );
        await world.CreateJobAsync("lab", "runaway", 1, Ct, ("bursar.dev/expected-duration", "20h"));
        var lab = scene with { Team = "lab" };
        await lab.UntilSuspendedAsync("runaway");
        await lab.UntilRunsAsync("train");
        return load;
    }

    private static async Task<bool> AnswersAsync(PrometheusServer server, Query query)
    {
        foreach (var expression in query.Expressions)
            if ((await server.QueryAsync(expression)).Any(row => (string)row!["value"]![1]! != "NaN"))
                return true;
        return false;
    }

    private static async Task<string[]> NamespacesAsync(PrometheusServer server, Query query, string ns, string budget) =>
        [
            .. (
                await server.QueryAsync(
                    query.Expressions.Single(e => e.Contains($"namespace=\"{ns}\", budget=\"{budget}\"}}", StringComparison.Ordinal))
                )
            )
                .Select(row => (string)row!["metric"]!["namespace"]!)
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];

    private static IEnumerable<JsonNode> Dashboards() =>
        Directory
            .EnumerateFiles(Path.Combine(InstallTool.Chart, "files", "dashboards"), "*.json")
            .Order(StringComparer.Ordinal)
            .Select(file => JsonNode.Parse(File.ReadAllText(file))!);

    /// <summary>The expressions of the panels and variables as Grafana sends them, for each budget that one can select.</summary>
    private static IEnumerable<Query> Queries(JsonNode dashboard)
    {
        var title = (string)dashboard["title"]!;
        foreach (var panel in dashboard["panels"]!.AsArray())
        foreach (var target in panel!["targets"]?.AsArray() ?? [])
            yield return new($"{title}, {panel["title"]}", Expand((string)target!["expr"]!));
        foreach (var variable in dashboard["templating"]!["list"]!.AsArray().Where(v => (string)v!["type"]! == "query"))
        {
            var (series, label) = LabelValues().Match((string)variable!["query"]!["query"]!) is { Success: true } match
                ? (match.Groups[1].Value, match.Groups[2].Value)
                : throw new InvalidOperationException($"{title}: {variable["name"]} is not a label_values");
            yield return new($"{title}, ${variable["name"]}", Expand($"count by ({label}) ({series})"));
        }
    }

    private static string[] Expand(string expression) => [.. Budgets.Select(budget => Expand(expression, budget)).Distinct()];

    private static string Expand(string expression, (string Namespace, string Budget) selected)
    {
        var text = expression
            .Replace("=~\"$namespace\"", "=~\".*\"", StringComparison.Ordinal)
            .Replace("=~\"$scaler\"", "=~\".*\"", StringComparison.Ordinal)
            .Replace("$namespace", selected.Namespace, StringComparison.Ordinal)
            .Replace("$budget", selected.Budget, StringComparison.Ordinal)
            .Replace("$__rate_interval", "30s", StringComparison.Ordinal);
        text.Should().NotContain("$");
        return text;
    }

    /// <param name="From">The dashboard and the panel.</param>
    /// <param name="Expressions">One for each budget, or one.</param>
    private sealed record Query(string From, string[] Expressions);

    [GeneratedRegex(@"^label_values\((.+), (\w+)\)$")]
    private static partial Regex LabelValues();
}
