using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Operator.Billing;
using Bursar.Operator.Commands;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>The ledger in its objects: days that become sums, and objects that cannot be read.</summary>
public sealed class LedgerStoreTests
{
    private static readonly DateTimeOffset Day = new(2026, 9, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Now = Day.AddDays(10);
    private static readonly CancellationToken Ct = CancellationToken.None;

    [Fact]
    public async Task Past_days_are_compacted_for_reports_and_not_loaded_by_the_operator()
    {
        await using var world = await CommandsWorld.StartAsync();
        var store = Store(world);
        var ledger = store.Ledger;
        Fill(ledger);
        await store.FlushAllAsync(Ct);
        var before = await ReportAsync(world);

        ledger.Compact(Day.AddDays(2), Now).Should().BeTrue();
        await store.FlushAllAsync(Ct);

        (await NamesAsync(world))
            .Should()
            .BeEquivalentTo(
                "bursar.base",
                "bursar.clock",
                "day.2026-09-01-0",
                "day.2026-09-02-0",
                "nodes.2026-09-01-0",
                "team-b-2026-09-01-0"
            );
        (await ReportAsync(world)).Should().Be(before);
        before.Should().Contain("team-a").And.Contain("team-b");

        var next = Store(world);
        await next.LoadAsync(Ct);
        var loaded = next.Ledger;
        loaded.IsDirty.Should().BeFalse();
        loaded.SummedWork("team-a", Day, Now).Should().BeEmpty("only reports read sums");
        loaded.DetailSince.Should().Be(Day.AddDays(2));
        loaded.PastOf("team-a").ReservedGpuMs.Should().Be(3_600_000);

        loaded.ForgetSums(Day.AddDays(1)).Should().BeTrue();
        await next.FlushAllAsync(Ct);
        (await NamesAsync(world)).Should().NotContain("day.2026-09-01-0").And.Contain("day.2026-09-02-0");
    }

    [Fact]
    public async Task Object_of_pods_that_cannot_be_read_is_left_alone_and_counted()
    {
        await using var world = await CommandsWorld.StartAsync();
        await AddUnreadableAsync(world, "team-a-2026-09-01-0", LedgerShard.PodsKind);
        var store = Store(world);
        await store.LoadAsync(Ct);

        store.Ledger.Unreadable.Should().Be(1);
        Record(store.Ledger);
        await store.FlushAllAsync(Ct);

        var left = await world.Client.GetAsync<V1Alpha1GpuLedger>("team-a-2026-09-01-0", CommandsWorld.BursarNamespace, Ct);
        left.Spec!.Data.GetRawText().Should().Contain("of a later version");
        (await NamesAsync(world)).Should().Contain("team-a-2026-09-01-1", "the pods of that day go beside it");
    }

    [Theory]
    [InlineData("bursar.base", LedgerShard.BaseKind)]
    [InlineData("team-a.0f0e", LedgerShard.BudgetKind)]
    [InlineData("scaled.team-a-0", LedgerShard.ScaledKind)]
    public async Task Ledger_with_an_unreadable_base_or_suspension_object_is_not_begun_anew(string name, string kind)
    {
        await using var world = await CommandsWorld.StartAsync();
        await AddUnreadableAsync(world, name, kind);

        await FluentActions
            .Awaiting(() => Store(world).LoadAsync(Ct))
            .Should()
            .ThrowAsync<LedgerUnreadableException>()
            .WithMessage($"GpuLedger {name} cannot be read*");
    }

    private static LedgerStore Store(CommandsWorld world) =>
        new(world.Client, CommandsWorld.BursarNamespace, new VirtualTimeProvider(Now), NullLogger<LedgerStore>.Instance);

    private static Task AddUnreadableAsync(CommandsWorld world, string name, string kind) =>
        world.Client.CreateAsync(
            new V1Alpha1GpuLedger
            {
                Metadata = new() { Name = name, Namespace = CommandsWorld.BursarNamespace },
                Spec = new()
                {
                    Kind = kind,
                    Data = JsonDocument
                        .Parse($$"""{"kind": "{{kind}}", "prices": "of a later version", "pods": "of a later version", "parked": 7}""")
                        .RootElement,
                },
            },
            Ct
        );

    private static async Task<IEnumerable<string>> NamesAsync(CommandsWorld world) =>
        (await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = CommandsWorld.BursarNamespace }, Ct)).Items.Select(item =>
            item.Metadata.Name
        );

    private static async Task<string> ReportAsync(CommandsWorld world)
    {
        using var output = new StringWriter();
        (
            await ReportCommand.RunAsync(
                world.Client,
                CommandsWorld.BursarNamespace,
                new(Day, Day.AddDays(5), ReportBy.Day, Csv: true),
                output,
                TextWriter.Null,
                Ct
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }

    private static void Fill(GpuLedger ledger)
    {
        ledger.Install(Day);
        ledger.SetCurrency("USD");
        ledger.ObserveNode("n1", "Tesla-T4", 4, Day);
        ledger.Reprice("Tesla-T4", GpuHourPrice.FromDecimal(0.5m), Day);
        Record(ledger);
    }

    /// <summary>One pod of an hour, which has ended, and one that keeps running.</summary>
    private static void Record(GpuLedger ledger)
    {
        ledger.Observe(Pod("p", "team-a") with { FinishedAt = Day.AddHours(2) });
        ledger.Observe(Pod("q", "team-b"));
    }

    private static PodObservation Pod(string uid, string ns) =>
        new()
        {
            Uid = uid,
            Pod = uid,
            Workload = new(ns, "Job", "train", $"uid-of-{ns}"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = "Tesla-T4",
            Gpus = 1,
            ScheduledAt = Day.AddHours(1),
            ObservedAt = Day.AddHours(1),
        };
}
