using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Core.Money;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Api;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>Prices that change, go wrong or go away: work runs on, the limit holds at the last trusted price, and all of it is said.</summary>
public sealed class PriceTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Theory]
    [InlineData("3060", "jump")]
    [InlineData("0", "price of zero")]
    public async Task A_price_outside_the_guard_is_said_and_not_charged_until_it_is_accepted(string price, string why)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("3");
        await scene.JobAsync("runs", declared: "30m");
        await scene.JobAsync("too-long", declared: "3h");
        await scene.UntilRunsAsync("runs");
        await scene.UntilSuspendedAsync("too-long");

        await RatesAsync(scene, Rate("*V100*", price));
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain(why);
        await scene.PassAsync(60);
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06", "the last trusted price goes on");
        (await scene.IsSuspendedAsync("runs")).Should().BeFalse("work runs on");
        (await scene.StatusAsync())!.Workloads!.Single(w => w.Name == "runs").Reason.Should().StartWith("ForecastPaused");
        (await scene.EventsAsync("PricesUntrusted", "b")).Should().ContainSingle();
        var book = await world.Client.GetAsync<V1Alpha1GpuPriceBook>("test", null, Ct);
        var condition = book.Status!.Conditions!.Single(c => c.Type == "PricesTrusted");
        condition.Status.Should().Be("False");
        condition.Message.Should().Contain(why).And.Contain($"bursar.dev/accept-generation: \"{book.Metadata.Generation}\"");

        // Money for more would bring the parked job back; not on such numbers.
        await scene.SetLimitAsync("50");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeTrue();

        // A restart forgets nothing of it.
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(30);
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("False");

        // The acceptance of another generation accepts nothing.
        await AcceptAsync(scene, book.Metadata.Generation + 1);
        await scene.PassAsync(30);
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");

        var spent = decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture);
        await AcceptAsync(scene, book.Metadata.Generation);
        await scene.UntilConditionAsync("PricesTrusted", "True");
        decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture).Should().BeLessThan(spent + 60m, "what was before keeps its price");
        if (price == "0") (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("0.00");
        else await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task The_limit_holds_at_the_last_trusted_price_while_the_book_is_gone()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("runs", declared: "15m");
        await scene.UntilRunsAsync("runs");
        await scene.PassAsync(60);
        await world.Client.DeleteAsync<V1Alpha1GpuPriceBook>("test", null, null, Ct);
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain("no GpuPriceBook is the default");
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(60);
        (await world.Client.ListAsync<V1Alpha1GpuPriceBook>(new(), Ct)).Items.Should().BeEmpty("list prices in place of the owner's would be a change that nobody made");
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");
        (await scene.IsSuspendedAsync("runs")).Should().BeFalse();
        await scene.SetLimitAsync("0.2");
        await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(5));
        (await scene.EventsAsync("Suspended", "runs")).Single().Note.Should().Contain("0.2");

        await world.CreateBookAsync("*V100*", "3.06", Ct);
        await scene.UntilConditionAsync("PricesTrusted", "True");
    }

    [Fact]
    public async Task A_book_that_begins_to_ask_for_spot_prices_it_from_then_on()
    {
        var scene = await Scene.SandboxAsync("team", true, new FleetNode { Name = "spot-1", Gpu = GpuModel.V100, Gpus = 2, Labels = new Dictionary<string, string> { ["eks.amazonaws.com/capacityType"] = "SPOT", ["pool"] = "spot" } });
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await PinnedJobAsync(scene, "cheap", "pool", "spot");
        await scene.UntilRunsAsync("cheap");
        await scene.PassAsync(600);
        await scene.UntilAsync("it is charged", async () => (await scene.StatusAsync())?.BurnRatePerHour == "3.06");
        await RatesAsync(scene, Rate("*V100*", "1.02", ("capacityType", "spot")), Rate("*V100*", "3.06"));
        await scene.UntilAsync("the spot price", async () => (await scene.StatusAsync())!.BurnRatePerHour == "1.02");
        var then = decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture);
        then.Should().BeInRange(0.5m, 0.6m, "the first ten minutes were at 3.06 an hour");
        await scene.PassAsync(600);
        await scene.UntilAsync("ten minutes more", async () => decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture) >= then + 0.16m, TimeSpan.FromMinutes(2));
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("True");

        // The book forgets the place: the node goes on at its last price, and that is said.
        await RatesAsync(scene, Rate("*V100*", "3.06", ("capacityType", "on-*")));
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("1.02");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain("Tesla-V100-SXM2-16GB [capacityType=spot]: no rate");
    }

    [Fact]
    public async Task A_dated_rate_counts_from_its_date()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await scene.JobAsync("runs", declared: "5h");
        await scene.UntilRunsAsync("runs");
        var pod = (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Single();
        var began = Bursar.Operator.Metering.PodTimes.ScheduledAt(pod)!.Value;
        var date = began.AddMinutes(20);
        var dated = Rate("*V100*", "6.12");
        dated["from"] = date.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        await RatesAsync(scene, dated, Rate("*V100*", "3.06"));
        await scene.PassAsync(60);
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");

        // Nobody leads at the date itself.
        await world.StopOperatorAsync();
        await scene.PassAsync(1500);
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.UntilAsync("the new price", async () => (await scene.StatusAsync())!.BurnRatePerHour == "6.12");
        await scene.SuspendAsync("runs", true);
        // 20 minutes at 3.06 are 1.02; the 6 after them cost 0.61 at the new price, and would 0.31 at the old one.
        decimal.Parse(await scene.FinalSpentAsync(), CultureInfo.InvariantCulture).Should().BeInRange(1.55m, 1.75m);
    }

    [Fact]
    public async Task A_shared_slot_costs_its_part_of_the_card()
    {
        var shared = new Dictionary<string, string>
        {
            ["nvidia.com/gpu.product"] = "Tesla-V100-SXM2-16GB-SHARED",
            ["nvidia.com/gpu.count"] = "2",
            ["nvidia.com/gpu.replicas"] = "4",
            ["nvidia.com/gpu.sharing-strategy"] = "time-slicing",
            ["pool"] = "shared",
        };
        var scene = await Scene.SandboxAsync("team", true, new FleetNode { Name = "shared-1", Gpu = GpuModel.V100, Gpus = 8, Labels = shared });
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await PinnedJobAsync(scene, "slot", "pool", "shared");
        await scene.UntilRunsAsync("slot");
        await scene.UntilAsync("a quarter", async () => (await scene.StatusAsync())?.BurnRatePerHour == "0.765");
        (await scene.StatusAsync())!.Workloads!.Single().RatePerHour.Should().Be("0.765");
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("True");

        await scene.PassAsync(130);
        using var explained = new StringWriter();
        (await Bursar.Operator.Commands.ExplainCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, scene.Team, "b", json: false, explained, TextWriter.Null, Ct)).Should().Be(0);
        explained.ToString().Should().MatchRegex(@"Cost of the work since .*\n  Job/slot  0\.0[0-9]+\n    [0-9.]+ s × 1 × 1/4 of Tesla-V100-SXM2-16GB at 0\.765/h = 0\.0[0-9]+\n");
    }

    private static Task PinnedJobAsync(Scene scene, string name, string label, string value) =>
        scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", $$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{{name}}}}}", "annotations": {"bursar.dev/expected-duration": "3h"}},
             "spec": {"template": {"spec": {"restartPolicy": "Never", "nodeSelector": {"{{{{{label}}}}}": "{{{{{value}}}}}"},
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """);

    private static JsonObject Rate(string product, string price, params (string Field, string Value)[] match)
    {
        var fields = new JsonObject { ["product"] = product };
        foreach (var (field, value) in match) fields[field] = value;
        return new() { ["match"] = fields, ["perGpuHour"] = price };
    }

    private static Task RatesAsync(Scene scene, params JsonObject[] rates) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuPriceBook>("test", null, KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["rates"] = new JsonArray([.. rates]) } }), Ct);

    private static Task AcceptAsync(Scene scene, long generation) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuPriceBook>("test", null, KubePatch.Merge(new JsonObject
        {
            ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["bursar.dev/accept-generation"] = generation.ToString(CultureInfo.InvariantCulture) } },
        }), Ct);
}
