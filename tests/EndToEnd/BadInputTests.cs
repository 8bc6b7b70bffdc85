using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// An impossible budget is refused by the server (schema, CEL) or by the operator, with the field's path; a new one enforces
/// nothing, an update leaves the last valid spec in force, and no other budget is stopped.
/// </summary>
internal static class BadInput
{
    private const string Good = """ "limit": {"cost": "5"} """;

    /// <summary>A spec, and the field that the refusal must name.</summary>
    private static readonly (string Name, string Spec, string Path)[] Cases =
    [
        ("negative", """{"limit": {"cost": "-5"}}""", "spec.limit.cost"),
        ("unparsable", """{"limit": {"cost": "five"}}""", "spec.limit.cost"),
        ("exponent", """{"limit": {"cost": "1e3"}}""", "spec.limit.cost"),
        ("no-limit", """{"mode": "Enforce"}""", "spec.limit"),
        ("unknown-zone", $$$"""{ {{{Good}}}, "window": {"period": "Month", "timeZone": "Mars/Olympus"}}""", "spec.window.timeZone"),
        ("no-such-period", $$$"""{ {{{Good}}}, "window": {"period": "Fortnight"}}""", "spec.window.period"),
        ("rolling-without-length", $$$"""{ {{{Good}}}, "window": {"period": "Rolling"}}""", "spec.window.length"),
        ("length-without-rolling", $$$"""{ {{{Good}}}, "window": {"period": "Day", "length": "24h"}}""", "spec.window.length"),
        ("once-without-end", $$$"""{ {{{Good}}}, "window": {"period": "Once", "start": "2026-11-21T00:00:00Z"}}""", "spec.window"),
        ("threshold-zero", $$$"""{ {{{Good}}}, "thresholds": [0]}""", "spec.thresholds"),
        ("threshold-huge", $$$"""{ {{{Good}}}, "thresholds": [50, 1001]}""", "spec.thresholds"),
        (
            "selector-operator",
            $$$"""{ {{{Good}}}, "selector": {"matchExpressions": [{"key": "team", "operator": "Near", "values": ["x"]}]}}""",
            "spec.selector"
        ),
        ("selector-value", $$$"""{ {{{Good}}}, "selector": {"matchLabels": {"team": "not a label value!"} } }""", "spec.selector"),
        ("exempt-all", $$$"""{ {{{Good}}}, "exempt": {}}""", "spec.exempt"),
        ("top-up-window", $$$"""{ {{{Good}}}, "topUps": [{"amount": "5", "window": "2026-W47"}]}""", "spec.topUps"),
        ("settle", $$$"""{ {{{Good}}}, "training": {"settle": "soon"}}""", "spec.training.settle"),
    ];

    public static async Task RefusedAndOthersWorkAsync(Scene scene)
    {
        var accepted = new List<(string Name, string Path)>();
        foreach (var (name, spec, path) in Cases)
        {
            if (await RefusalAsync(scene, name, JsonNode.Parse(spec)!) is not { } error)
                accepted.Add((name, path));
            else
                error.Message.Should().Contain(path, "{0} is refused by the server", name);
        }
        var huge = new JsonArray();
        for (var i = 0; i < 100_000; i++)
            huge.Add(new JsonObject { ["amount"] = "1", ["window"] = "2026-11" });
        (
            await RefusalAsync(
                scene,
                "huge",
                new JsonObject
                {
                    ["limit"] = new JsonObject { ["cost"] = "5" },
                    ["topUps"] = huge,
                }
            )
        ).Should().NotBeNull();

        foreach (var (name, path) in accepted)
        {
            await scene.UntilConditionAsync("Ready", "False", name);
            var ready = (await scene.ConditionAsync("Ready", name))!;
            ready.Reason.Should().Be("InvalidSpec");
            ready.Message.Should().Contain(path, "{0} is refused by the operator", name);
            (await scene.StatusAsync(name))!.State.Should().Be("InvalidSpec");
        }

        // The budget beside them works on.
        await scene.BudgetAsync("1", name: "works");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        (await scene.World.JobAsync(scene.Team, "too-long", CancellationToken.None))
            .Metadata.Annotations["bursar.dev/suspended-by"]
            .Should()
            .Be("gpubudget/works");
    }

    private static async Task<ApiException?> RefusalAsync(Scene scene, string name, JsonNode spec)
    {
        try
        {
            await scene.World.PostJsonAsync(
                $"/apis/bursar.dev/v1alpha1/namespaces/{scene.Team}/gpubudgets",
                new()
                {
                    ["apiVersion"] = "bursar.dev/v1alpha1",
                    ["kind"] = "GpuBudget",
                    ["metadata"] = new JsonObject { ["name"] = name },
                    ["spec"] = spec,
                },
                CancellationToken.None
            );
            return null;
        }
        catch (ApiException error) when (error.StatusCode is >= 400 and < 500)
        {
            return error;
        }
    }
}

public sealed class BadInputTests
{
    [Fact]
    public async Task Impossible_budget_is_refused_with_its_field_and_stops_no_other()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await BadInput.RefusedAndOthersWorkAsync(scene);
    }

    [Fact]
    public async Task Budget_that_becomes_invalid_keeps_its_suspensions_until_it_is_corrected()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");

        await PatchZoneAsync(scene, "Mars/Olympus");
        await scene.UntilConditionAsync("Ready", "False");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeTrue("an unreadable budget changes nothing");
        var invalid = await world.MetricsAsync(CancellationToken.None);
        invalid
            .Where(s => s.Name == "bursar_invalid_spec")
            .Should()
            .ContainSingle(s =>
                s.Label("kind") == "GpuBudget" && s.Label("namespace") == scene.Team && s.Label("name") == "b" && s.Value == 1
            );
        invalid
            .Should()
            .ContainSingle(
                s => s.Name == "bursar_budget_condition" && s.Label("budget") == "b" && s.Label("condition") == "Ready" && s.Value == 0,
                "the last valid spec is in force, and that is no readiness"
            );

        await PatchZoneAsync(scene, "Europe/Berlin");
        await scene.UntilConditionAsync("Ready", "True");
        (await world.MetricsAsync(CancellationToken.None)).Should().NotContain(s => s.Name == "bursar_invalid_spec");
        await scene.SetLimitAsync("50");
        await scene.UntilResumedAsync("too-long");
    }

    [Theory]
    [InlineData("""{"window": {"timeZone": "Mars/Olympus"}}""", "spec.window.timeZone")]
    [InlineData("""{"limit": {"cost": "500"}, "topUps": [{"amount": "5", "window": "2026-13"}]}""", "spec.topUps[0].window")]
    [InlineData("""{"mode": "Observe", "exempt": {"matchLabels": {"a b": "x"}}}""", "spec.exempt")]
    public async Task Invalid_update_leaves_the_last_valid_spec_in_force(string update, string path)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilConditionAsync("Ready", "True");
        var before = await world.BudgetAsync(scene.Team, "b", CancellationToken.None);

        await PatchAsync(scene, JsonNode.Parse(update)!);
        await scene.UntilConditionAsync("Ready", "False");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");

        await InForceAsync(scene, path, before.Metadata.Generation);
        (await scene.StatusAsync())!.Limit.Should().Be("1.000000");
        (await scene.UntilEventAsync("InvalidSpec", "b"))
            .Note.Should()
            .Contain(path)
            .And.Contain($"generation {before.Metadata.Generation} stays in force");
        (await scene.EventsAsync("InvalidSpec", "b")).Should().ContainSingle("it is reported once");
    }

    [Fact]
    public async Task Last_valid_spec_is_in_force_after_a_restart()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilConditionAsync("Ready", "True");
        var generation = (await world.BudgetAsync(scene.Team, "b", CancellationToken.None)).Metadata.Generation;
        await scene.PassAsync(30);
        await world.StopOperatorAsync();
        await PatchZoneAsync(scene, "Mars/Olympus");

        await world.StartOperatorAsync(CancellationToken.None);
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await InForceAsync(scene, "spec.window.timeZone", generation);

        await world.StopOperatorAsync();
        await world.StartOperatorAsync(CancellationToken.None);
        await scene.JobAsync("too-long-too", declared: "2h");
        await scene.UntilSuspendedAsync("too-long-too");
        await InForceAsync(scene, "spec.window.timeZone", generation);
    }

    [Fact]
    public async Task Explain_counts_by_the_selector_that_is_in_force()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100", """{"selector": {"matchLabels": {"app": "train"}}}""");
        await scene.JobAsync("train", declared: "2h");
        await scene.UntilRunsAsync("train");
        await PatchAsync(
            scene,
            JsonNode.Parse("""{"selector": {"matchLabels": {"app": "other"}}, "window": {"timeZone": "Mars/Olympus"}}""")!
        );
        await scene.UntilConditionAsync("Ready", "False");
        await scene.PassAsync(120);

        using StringWriter output = new(),
            errors = new();
        (
            await ExplainCommand.RunAsync(
                world.Client,
                ClusterWorld.OwnNamespace,
                scene.Team,
                "b",
                json: false,
                output,
                errors,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);
        var text = output.ToString();
        text[text.IndexOf("Cost of workloads", StringComparison.Ordinal)..].Should().Contain("Job/train");
    }

    private static async Task InForceAsync(Scene scene, string path, long generation)
    {
        var (status, ready) = (await scene.StatusAsync(), await scene.ConditionAsync("Ready"));
        status!.State.Should().Be("InvalidSpec");
        (ready!.Status, ready.Reason).Should().Be(("False", "InvalidSpec"));
        ready.Message.Should().Contain(path).And.Contain($"generation {generation} stays in force");
    }

    private static Task PatchZoneAsync(Scene scene, string zone) =>
        PatchAsync(scene, new JsonObject { ["window"] = new JsonObject { ["timeZone"] = zone } });

    private static Task PatchAsync(Scene scene, JsonNode spec) =>
        scene.World.Client.PatchAsync<Bursar.Api.V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = spec }),
            CancellationToken.None
        );
}
