using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Prices that change, become wrong or disappear: workloads keep running, the limit applies at the last trusted price, and all of it is
/// reported.
/// </summary>
public sealed class PriceTests
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>
    /// A node without feature discovery: the driver's name of its GPUs is their product, and a restart needs no agent for it.
    /// </summary>
    [Fact]
    public async Task Node_without_a_product_label_is_priced_by_the_name_its_agent_reports()
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode { Name = "gpu-1", Gpu = new("", "Tesla V100-SXM2-16GB", 16384, 40, 300) }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("100");
        await scene.JobAsync("runs", declared: "2h", runFor: "2h");
        await scene.UntilRunsAsync("runs");
        await scene.UntilAsync("it is priced", async () => (await scene.StatusAsync())?.BurnRatePerHour == "3.06", TimeSpan.FromMinutes(2));
        await scene.UntilConditionAsync("PricesTrusted", "True");
        world.Operator!.Ledger.LastStatement("gpu-1").Product.Should().Be("Tesla-V100-SXM2-16GB");
        var bill = world.Operator.Ledger.Bill(
            "gpu-1",
            world.Operator.Ledger.Installed!.Value,
            world.Time.GetUtcNow(),
            world.Time.GetUtcNow()
        );
        bill.UnpricedGpuMs.Should().Be(0, "the first price covers the time before");

        // The agent is removed, the operator restarts, and the price of the product changes.
        await world.Client.DeleteAsync<V1Pod>("bursar-agent-gpu-1", ClusterWorld.AgentNamespace, null, Ct);
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await RatesAsync(scene, Rate("*V100*", "4"));
        await scene.UntilAsync(
            "the new price counts",
            async () => (await scene.StatusAsync())?.BurnRatePerHour == "4.00",
            TimeSpan.FromMinutes(2)
        );
    }

    [Theory]
    [InlineData("3060", "jump")]
    [InlineData("0", "price of zero")]
    public async Task Price_outside_the_guard_is_reported_and_not_charged_until_accepted(string price, string why)
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

        // A higher limit would resume the suspended job, but not on untrusted prices.
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
        decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture)
            .Should()
            .BeLessThan(spent + 60m, "what was before keeps its price");
        if (price == "0")
            (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("0.00");
        else
            await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Limit_applies_at_the_last_trusted_price_while_the_book_is_gone()
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
        (await world.Client.ListAsync<V1Alpha1GpuPriceBook>(new(), Ct))
            .Items.Should()
            .BeEmpty("list prices in place of the user's would be a change that no user made");
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");
        (await scene.IsSuspendedAsync("runs")).Should().BeFalse();
        await scene.SetLimitAsync("0.2");
        await scene.UntilSuspendedAsync("runs", TimeSpan.FromMinutes(5));
        (await scene.EventsAsync("Suspended", "runs")).Single().Note.Should().Contain("0.2");

        await world.CreateBookAsync("*V100*", "3.06", Ct);
        await scene.UntilConditionAsync("PricesTrusted", "True");
    }

    /// <summary>Any doubtful price pauses forecasts and keeps the limit, and each step is reported.</summary>
    [Theory]
    [InlineData("0", "price of zero")]
    [InlineData("3060", "jump")]
    [InlineData("no rate", "no rate of the price book matches it")]
    [InlineData("no book", "no GpuPriceBook is the default")]
    public async Task Doubted_price_lets_jobs_run_to_the_limit_at_the_last_trusted_price(string price, string why)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("3");
        await scene.JobAsync("runs", declared: "30m");
        await scene.UntilRunsAsync("runs");
        await scene.PassAsync(30);

        if (price == "no book")
            await world.Client.DeleteAsync<V1Alpha1GpuPriceBook>("test", null, null, Ct);
        else
            await RatesAsync(scene, price == "no rate" ? Rate("*H100*", "3.06") : Rate("*V100*", price));
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain(why);
        (await scene.EventsAsync("PricesUntrusted", "b")).Should().ContainSingle().Which.Note.Should().Contain(why);
        if (price != "no book")
            (await world.EventsAsync("default", Ct))
                .Should()
                .ContainSingle(e => e.Reason == "PricesUntrusted" && e.Regarding!.Name == "test")
                .Which.Note.Should()
                .Contain(why);

        // The forecast would never let this begin: three hours at 3.06 into a budget of 3.
        await scene.JobAsync("too-long", declared: "3h");
        await scene.UntilRunsAsync("too-long");
        await scene.PassAsync(60);
        foreach (var job in (string[])["runs", "too-long"])
        {
            (await scene.RunsAsync(job)).Should().BeTrue("work runs on");
            (await scene.StatusAsync())!.Workloads!.Single(w => w.Name == job).Reason.Should().StartWith("ForecastPaused");
        }
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("6.12");

        await scene.SetLimitAsync("0.4");
        await scene.UntilSuspendedAsync("too-long", TimeSpan.FromMinutes(5));
        await scene.UntilSuspendedAsync("runs");
        (await scene.EventsAsync("Suspended", "runs")).Should().ContainSingle().Which.Note.Should().Contain("0.4");
        var spent = await scene.FinalSpentAsync();
        spent.Should().Be(bill.Total(Scene.V100).ToString(), "all of it was at the last trusted price\n{0}", bill);
        decimal.Parse(spent, CultureInfo.InvariantCulture).Should().BeInRange(0.37m, 0.4m, "the limit was used, and not exceeded");

        // A price that is right again is reported too, and forecasts continue: the short job fits, the long one does not.
        if (price == "no book")
            await world.CreateBookAsync("*V100*", "3.06", Ct);
        else
            await RatesAsync(scene, Rate("*V100*", "3.06"));
        await scene.UntilConditionAsync("PricesTrusted", "True");
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("PricesTrusted", "b")).Count > 0);
        (await scene.EventsAsync("PricesTrusted", "b")).Should().ContainSingle();
        await scene.SetLimitAsync("4");
        await scene.UntilResumedAsync("runs", TimeSpan.FromMinutes(5));
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("too-long")).Should().BeTrue();
    }

    [Fact]
    public async Task Accepted_change_counts_from_its_acceptance_to_the_millisecond()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("1000");
        await scene.JobAsync("runs", declared: "30m");
        await scene.UntilRunsAsync("runs");
        await scene.PassAsync(60);
        await RatesAsync(scene, Rate("*V100*", "306"));
        await scene.UntilConditionAsync("PricesTrusted", "False");
        await scene.PassAsync(120);

        var before = world.Time.GetUtcNow();
        await AcceptAsync(scene, (await world.Client.GetAsync<V1Alpha1GpuPriceBook>("test", null, Ct)).Metadata.Generation);
        await scene.UntilConditionAsync("PricesTrusted", "True");
        var after = world.Time.GetUtcNow();
        await scene.UntilAsync("the new price", async () => (await scene.StatusAsync())!.BurnRatePerHour == "306.00");
        await scene.PassAsync(90);
        await scene.SuspendAsync("runs", true);
        var spent = await scene.FinalSpentAsync();

        // Twice: by the operator that saw it, and by one that reads it from the stored ledger.
        for (var restarted = false; ; restarted = true)
        {
            var now = world.Time.GetUtcNow();
            var entries = world.Operator!.Ledger.Entries(scene.Team, now.AddDays(-1), now, now);
            entries.Select(entry => entry.Rate!.Value.ToString()).Should().Equal("3.06", "306.00");
            entries[0].To.Should().Be(entries[1].From).And.BeOnOrAfter(before).And.BeOnOrBefore(after);
            bill.Total(Scene.V100)
                .Should()
                .Be(Scene.V100.For(entries[1].To!.Value - entries[0].From), "the two parts are the pod's whole time");
            (
                Scene.V100.For(entries[0].To!.Value - entries[0].From)
                + (entries[1].Rate!.Value * entries[1].Gpus).For(entries[1].To!.Value - entries[1].From)
            )
                .ToString()
                .Should()
                .Be(spent);
            if (restarted)
                break;
            await world.StopOperatorAsync();
            await world.StartOperatorAsync(Ct, restart: true);
            await scene.PassAsync(10);
        }
    }

    [Fact]
    public async Task Node_without_a_rate_pauses_forecasts_while_the_limit_still_applies()
    {
        var scene = await Scene.SandboxAsync(
            "team",
            true,
            new FleetNode
            {
                Name = "odd-1",
                Gpu = new("NVIDIA-B999", "NVIDIA B999", 1024, 10, 100),
                Gpus = 2,
            }
        );
        await using var world = scene.World;
        await scene.BudgetAsync("3");
        await PinnedJobAsync(scene, "odd", "nvidia.com/gpu.product", "NVIDIA-B999");
        await scene.UntilRunsAsync("odd");
        await scene.UntilConditionAsync("PricesTrusted", "False");
        var condition = (await scene.ConditionAsync("PricesTrusted"))!;
        condition.Reason.Should().Be("Unpriced");
        condition.Message.Should().Contain("NVIDIA-B999");
        (await scene.EventsAsync("Unpriced", "b")).Should().ContainSingle().Which.Note.Should().Contain("NVIDIA-B999");
        var book = (await world.Client.GetAsync<V1Alpha1GpuPriceBook>("test", null, Ct)).Status!.Conditions!.Single(c =>
            c.Type == "PricesTrusted"
        );
        (book.Status, book.Reason).Should().Be(("False", "Unpriced"));
        (await world.EventsAsync("default", Ct))
            .Should()
            .ContainSingle(e => e.Reason == "Unpriced" && e.Regarding!.Name == "test")
            .Which.Note.Should()
            .Contain("NVIDIA-B999");

        await PinnedJobAsync(scene, "priced", "nvidia.com/gpu.product", SimulatedGpuModel.V100.Product);
        await scene.UntilRunsAsync("priced");
        await scene.PassAsync(60);
        (await scene.RunsAsync("odd")).Should().BeTrue();
        (await scene.RunsAsync("priced")).Should().BeTrue("a forecast would have suspended its three hours, and pauses");
        var status = (await scene.StatusAsync())!;
        status.BurnRatePerHour.Should().Be("3.06");
        status.Workloads!.Single(w => w.Name == "odd").Reason.Should().StartWith("Unpriced");
        status.Workloads!.Single(w => w.Name == "priced").Reason.Should().StartWith("ForecastPaused");

        await scene.SetLimitAsync("0.2");
        await scene.UntilSuspendedAsync("priced", TimeSpan.FromMinutes(5));
        (await scene.EventsAsync("Suspended", "priced")).Should().ContainSingle().Which.Note.Should().Contain("0.2");
    }

    /// <summary>Field report F3: no label of the node names its GPUs, and the rate does not require one.</summary>
    [Fact]
    public async Task Node_without_a_product_label_is_priced_by_its_instance_type()
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = new("", "NVIDIA A10G", 24576, 70, 150),
                Gpus = 4,
                InstanceType = "g5.12xlarge",
            }
        );
        await world.CreateBookAsync("*H100*", "6.88", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        await RatesAsync(
            scene,
            new JsonObject
            {
                ["match"] = new JsonObject { ["instanceType"] = "g5.12xlarge" },
                ["perGpuHour"] = "1.418",
            }
        );
        await scene.BudgetAsync("100");
        await world.CreateJobAsync(scene.Team, "four", 4, Ct, ("bursar.dev/expected-duration", "1h"), ("sim.bursar.dev/run-for", "1h"));
        await scene.UntilRunsAsync("four");
        await scene.UntilAsync(
            "it is priced",
            async () => (await scene.StatusAsync())?.BurnRatePerHour == "5.672",
            TimeSpan.FromMinutes(2)
        );
        await scene.UntilConditionAsync("PricesTrusted", "True");
        await scene.UntilAsync(
            "it ends",
            async () => (await world.JobAsync(scene.Team, "four", Ct)).Status.Succeeded == 1,
            TimeSpan.FromMinutes(90)
        );
        decimal.Parse(await scene.FinalSpentAsync(), CultureInfo.InvariantCulture)
            .Should()
            .BeInRange(5.67m, 5.69m, "an hour, and the pull of the image");
        world.Operator!.Ledger.LastStatement("gpu-1").Product.Should().Be("unknown product [instanceType=g5.12xlarge]");
    }

    /// <summary>Field report F4: a part of a card has the card's name.</summary>
    [Fact]
    public async Task VGPU_profile_is_reported_as_unpriced_until_a_rate_names_it()
    {
        var scene = await Scene.SandboxAsync(
            "team",
            true,
            new FleetNode
            {
                Name = "vgpu-1",
                Gpu = new("GRID-A100-10C", "GRID A100-10C", 10240, 40, 100),
                Labels = new Dictionary<string, string> { ["pool"] = "vgpu" },
            }
        );
        await using var world = scene.World;
        await RatesAsync(scene, Rate("*A100*", "2.745"), Rate("*V100*", "3.06"));
        await scene.BudgetAsync("100");
        await PinnedJobAsync(scene, "part", "pool", "vgpu");
        await scene.UntilRunsAsync("part");
        await scene.UntilConditionAsync("PricesTrusted", "False");
        var condition = (await scene.ConditionAsync("PricesTrusted"))!;
        (condition.Reason, condition.Message!.Contains("GRID-A100-10C", StringComparison.Ordinal)).Should().Be(("Unpriced", true));
        (await scene.StatusAsync())!.Spent.Should().Be("0.000000");

        await RatesAsync(scene, Rate("GRID-A100-10C", "0.4"), Rate("*A100*", "2.745"), Rate("*V100*", "3.06"));
        await scene.UntilAsync("it is priced", async () => (await scene.StatusAsync())?.BurnRatePerHour == "0.40");
        await scene.UntilConditionAsync("PricesTrusted", "True");
    }

    /// <summary>Field report I6: the amounts are an upper bound, which is reported, and forecasts continue.</summary>
    [Fact]
    public async Task Spot_node_without_a_spot_rate_is_charged_on_demand_and_reported()
    {
        var scene = await Scene.SandboxAsync(
            "team",
            true,
            new FleetNode
            {
                Name = "spot-1",
                Gpu = SimulatedGpuModel.V100,
                Labels = new Dictionary<string, string> { ["kubernetes.azure.com/scalesetpriority"] = "spot", ["pool"] = "spot" },
            }
        );
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await PinnedJobAsync(scene, "cheap", "pool", "spot");
        await scene.UntilRunsAsync("cheap");
        await scene.UntilConditionAsync("PricesTrusted", "False");
        var condition = (await scene.ConditionAsync("PricesTrusted"))!;
        condition.Reason.Should().Be("ChargedAsOnDemand");
        condition.Message.Should().ContainAll("Tesla-V100-SXM2-16GB (spot)", "on-demand", "capacityType");
        (await scene.EventsAsync("ChargedAsOnDemand", "b")).Should().ContainSingle().Which.Note.Should().Be(condition.Message);
        var book = (await world.Client.GetAsync<V1Alpha1GpuPriceBook>("test", null, Ct)).Status!.Conditions!.Single(c =>
            c.Type == "PricesTrusted"
        );
        (book.Status, book.Reason, book.Message).Should().Be(("False", "ChargedAsOnDemand", condition.Message));
        await scene.UntilAsync("it has a forecast", async () =>
            (await scene.StatusAsync())?.Projected is { } projected && projected.StartsWith("9.", StringComparison.Ordinal)
        );
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");

        await RatesAsync(scene, Rate("*V100*", "1.02", ("capacityType", "spot")), Rate("*V100*", "3.06"));
        await scene.UntilConditionAsync("PricesTrusted", "True");
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("1.02");
    }

    [Fact]
    public async Task Book_that_gains_a_spot_rate_applies_it_from_then_on()
    {
        var scene = await Scene.SandboxAsync(
            "team",
            true,
            new FleetNode
            {
                Name = "spot-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 2,
                Labels = new Dictionary<string, string> { ["eks.amazonaws.com/capacityType"] = "SPOT", ["pool"] = "spot" },
            }
        );
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
        await scene.UntilAsync(
            "ten minutes more",
            async () => decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture) >= then + 0.16m,
            TimeSpan.FromMinutes(2)
        );
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("True");

        // The book drops the place: the node keeps its last price, and that is reported.
        await RatesAsync(scene, Rate("*V100*", "3.06", ("capacityType", "on-*")));
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("1.02");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain("Tesla-V100-SXM2-16GB [capacityType=spot]: no rate");
    }

    [Fact]
    public async Task Dated_rate_counts_from_its_date()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await scene.JobAsync("runs", declared: "5h");
        await scene.UntilRunsAsync("runs");
        var pod = (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Single();
        var began = Bursar.Operator.Cluster.PodTimes.ScheduledAt(pod)!.Value;
        var date = began.AddMinutes(20);
        var dated = Rate("*V100*", "6.12");
        dated["from"] = date.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        await RatesAsync(scene, dated, Rate("*V100*", "3.06"));
        await scene.PassAsync(60);
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("3.06");

        // No operator leads at the date itself.
        await world.StopOperatorAsync();
        await scene.PassAsync(1500);
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.UntilAsync("the new price", async () => (await scene.StatusAsync())!.BurnRatePerHour == "6.12");
        await scene.SuspendAsync("runs", true);
        // 20 minutes at 3.06 are 1.02; the 6 after them cost 0.61 at the new price, and would 0.31 at the old one.
        decimal.Parse(await scene.FinalSpentAsync(), CultureInfo.InvariantCulture).Should().BeInRange(1.55m, 1.75m);
    }

    [Fact]
    public async Task Shared_slot_costs_its_part_of_the_card()
    {
        var shared = new Dictionary<string, string>
        {
            ["nvidia.com/gpu.product"] = "Tesla-V100-SXM2-16GB-SHARED",
            ["nvidia.com/gpu.count"] = "2",
            ["nvidia.com/gpu.replicas"] = "4",
            ["nvidia.com/gpu.sharing-strategy"] = "time-slicing",
            ["pool"] = "shared",
        };
        var scene = await Scene.SandboxAsync(
            "team",
            true,
            new FleetNode
            {
                Name = "shared-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 8,
                Labels = shared,
            }
        );
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await PinnedJobAsync(scene, "slot", "pool", "shared");
        await scene.UntilRunsAsync("slot");
        await scene.UntilAsync("a quarter", async () => (await scene.StatusAsync())?.BurnRatePerHour == "0.765");
        (await scene.StatusAsync())!.Workloads!.Single().RatePerHour.Should().Be("0.765");
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("True");

        await scene.PassAsync(130);
        using var explained = new StringWriter();
        (
            await Bursar.Operator.Commands.ExplainCommand.RunAsync(
                world.Client,
                ClusterWorld.OwnNamespace,
                scene.Team,
                "b",
                json: false,
                explained,
                TextWriter.Null,
                Ct
            )
        )
            .Should()
            .Be(0);
        explained
            .ToString()
            .Should()
            .MatchRegex(
                @"Cost of workloads since .*\n  Job/slot  0\.0[0-9]+\n    [0-9.]+ s × 1 × 1/4 of Tesla-V100-SXM2-16GB at 0\.765/h = 0\.0[0-9]+\n"
            );
    }

    private static Task PinnedJobAsync(Scene scene, string name, string label, string value) =>
        scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            $$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{{name}}}}}", "annotations": {"bursar.dev/expected-duration": "3h"}},
             "spec": {"template": {"spec": {"restartPolicy": "Never", "nodeSelector": {"{{{{{label}}}}}": "{{{{{value}}}}}"},
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );

    private static JsonObject Rate(string product, string price, params (string Field, string Value)[] match)
    {
        var fields = new JsonObject { ["product"] = product };
        foreach (var (field, value) in match)
            fields[field] = value;
        return new() { ["match"] = fields, ["perGpuHour"] = price };
    }

    private static Task RatesAsync(Scene scene, params JsonObject[] rates) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuPriceBook>(
            "test",
            null,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["rates"] = new JsonArray([.. rates]) } }),
            Ct
        );

    private static Task AcceptAsync(Scene scene, long generation) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuPriceBook>(
            "test",
            null,
            KubePatch.Merge(
                new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["annotations"] = new JsonObject
                        {
                            ["bursar.dev/accept-generation"] = generation.ToString(CultureInfo.InvariantCulture),
                        },
                    },
                }
            ),
            Ct
        );
}
