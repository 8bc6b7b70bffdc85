using System.Globalization;
using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.State;
using Bursar.Hosting;
using Bursar.Operator.Commands;
using Bursar.Operator.Suspension;

namespace Bursar.Tests.EndToEnd;

public sealed class ReportTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 8, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Table_names_work_cost_and_unit_costs_and_adds_up()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.StoreAsync(Ledger());
        await world.StoreAsync(State());

        var text = await ReportAsync(world, new(Start, Start.AddHours(4), ReportBy.Workload));

        text.Should()
            .Be(
                """
                The cluster, 2026-11-02T08:00:00Z to 2026-11-02T12:00:00Z, in USD

                NAMESPACE       KIND         WORKLOAD        COST   GPU-HOURS   MEASURED   ACTIVITY   IDLE-COST     KWH    TOKENS   PER-1K-TOKENS   PER-REQUEST      PER-STEP
                team-nlp        Deployment   chat        4.590000         1.5       100%        10%    4.131000   0.375   1530000     0.003000000   0.000900000
                team-vision     Job          train       2.295000        0.75         0%                                                                          0.000076500
                (unallocated)                            5.355000
                (node lost)                              0.000000
                total                                   12.240000

                Advice
                  team-nlp Deployment/chat: its GPUs worked 10 % of 1.5 measured GPU-hours; the rest cost 4.13, while it made 1,530,000 tokens, 98.1 a second and GPU: batches are small or texts long; turn on dynamic batching, cache, compute ahead, or serve it from fewer GPUs.

                """.ReplaceLineEndings("\n")
            );
    }

    [Fact]
    public async Task Csv_has_a_row_for_each_and_its_costs_add_up_to_the_last_digit_shown()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.StoreAsync(Ledger(price: 3.0700001m));
        await world.StoreAsync(State());

        foreach (var by in Enum.GetValues<ReportBy>())
        {
            var lines = (await ReportAsync(world, new(Start, Start.AddHours(4), by, Csv: true)))
                .Split("\r\n", StringSplitOptions.RemoveEmptyEntries)
                .Select(line => line.Split(','))
                .ToArray();
            var cost = Array.IndexOf(lines[0], "cost");

            lines.Should().OnlyContain(line => line.Length == lines[0].Length, "by {0}", by);
            lines
                .Skip(1)
                .Sum(line => decimal.Parse(line[cost], CultureInfo.InvariantCulture))
                .Should()
                .Be(12.280000m, "by {0}: four GPU-hours at 3.0700001", by);
        }
    }

    [Fact]
    public async Task Report_of_a_namespace_lists_only_its_workloads()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.StoreAsync(Ledger());
        await world.StoreAsync(State());

        var text = await ReportAsync(world, new(Start, Start.AddHours(4), ReportBy.Day, "team-vision"));

        text.Should()
            .Contain("2026-11-02   team-vision   2.295000")
            .And.MatchRegex(@"total +2\.295000")
            .And.NotContain("unallocated")
            .And.NotContain("team-nlp");
    }

    [Fact]
    public async Task Interval_that_ends_before_it_begins_is_refused()
    {
        await using var world = await CommandsWorld.StartAsync();

        await FluentActions
            .Awaiting(() => ReportAsync(world, new(Start, Start, ReportBy.Day)))
            .Should()
            .ThrowAsync<UsageException>()
            .WithMessage("*before it begins*");
    }

    [Fact]
    public async Task Unreadable_object_is_named_and_fails_the_exit_code()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.StoreAsync(Ledger());
        await world.StoreAsync(State());
        await world.Client.CreateAsync(
            new V1Alpha1GpuLedger
            {
                Metadata = new() { Name = "team-vision-2026-11-02-7", Namespace = CommandsWorld.BursarNamespace },
                Spec = new() { Kind = "pods", Data = JsonDocument.Parse("""{"kind": "pods", "pods": "of a later version"}""").RootElement },
            },
            CancellationToken.None
        );

        using var output = new StringWriter();
        using var errors = new StringWriter();
        var code = await ReportCommand.RunAsync(
            world.Client,
            CommandsWorld.BursarNamespace,
            new(Start, Start.AddHours(4), ReportBy.Workload),
            output,
            errors,
            CancellationToken.None
        );

        code.Should().Be(1);
        errors.ToString().Should().Contain("team-vision-2026-11-02-7").And.Contain("not in these sums");
        output.ToString().Should().Contain("12.240000", "readable objects are reported");
    }

    [Fact]
    public async Task Missing_right_is_named()
    {
        await using var world = await CommandsWorld.StartAsync();
        world.Refuse("list", "gpuledgers");

        await FluentActions
            .Awaiting(() => ReportAsync(world, new(Start, Start.AddHours(1), ReportBy.Day)))
            .Should()
            .ThrowAsync<CommandException>()
            .WithMessage("*list gpuledgers.bursar.dev in namespace bursar-system*");
    }

    [Theory]
    [InlineData(
        null,
        "worked 10 % of the time: a Tesla-T4",
        "(by activity alone: a model server reserves its memory at the start, so the 72 GiB that it held are not what its model needs; check that the model fits 16 GiB)"
    )]
    [InlineData(
        9_216L,
        "worked 10 % of the time and needed at most 9 GiB of the 72 it held (by the server's metrics: without the unused part of its KV cache): a Tesla-T4",
        "times as much.\n"
    )]
    [InlineData(61_440L, null, null)]
    public async Task Advice_on_a_smaller_card_names_the_memory_it_rests_on(long? needed, string? sentence, string? end)
    {
        await using var world = await CommandsWorld.StartAsync();
        var ledger = new GpuLedger();
        ledger.Install(Start.AddDays(-1));
        ledger.ObserveNode("n1", "NVIDIA-A100-SXM4-80GB", 1, Start);
        ledger.Reprice("NVIDIA-A100-SXM4-80GB", GpuHourPrice.FromDecimal(4), Start);
        ledger.Reprice("Tesla-T4", GpuHourPrice.FromDecimal(0.5m), Start);
        ledger.Observe(
            Pod("q", new("team-nlp", "Deployment", "chat", "uid-chat"), Start, Start.AddHours(2)) with
            {
                Product = "NVIDIA-A100-SXM4-80GB",
            }
        );
        ledger.Record(
            new()
            {
                Node = "n1",
                Epoch = "e",
                First = 1,
                Next = 3,
                Intervals =
                [
                    new()
                    {
                        Seq = 1,
                        PodUid = "q",
                        Namespace = "team-nlp",
                        Pod = "q",
                        Device = "GPU-0",
                        From = Start,
                        To = Start.AddHours(2),
                        BusyMs = 720_000,
                        MemoryMiBMs = 7_200_000L * 72 * 1024,
                        NeededMiB = needed,
                    },
                ],
                Tokens =
                [
                    new()
                    {
                        Seq = 2,
                        PodUid = "q",
                        Model = "llama",
                        Prompt = 1_000_000,
                        Generated = 530_000,
                        Requests = 5_100,
                        At = Start.AddHours(1),
                    },
                ],
            },
            null
        );
        await world.StoreAsync(ledger);

        var text = await ReportAsync(world, new(Start, Start.AddHours(4), ReportBy.Workload));

        if (sentence is null)
            text.Should().NotContain("times as much");
        else
            text.Should().Contain(sentence).And.Contain(end);
    }

    [Fact]
    public async Task Cost_per_step_stays_when_the_job_has_ended()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.StoreAsync(Ledger());
        await world.StoreAsync(State(new() { Ended = [new("uid-train", 30_000, Start.AddMinutes(45), null)] }));

        (await ReportAsync(world, new(Start, Start.AddHours(4), ReportBy.Workload, "team-vision"))).Should().Contain("0.000076500");
    }

    private static async Task<string> ReportAsync(CommandsWorld world, ReportRequest request)
    {
        using var output = new StringWriter();
        (
            await ReportCommand.RunAsync(
                world.Client,
                CommandsWorld.BursarNamespace,
                request,
                output,
                TextWriter.Null,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }

    /// <summary>
    /// A node with one V100 over four hours: a job of 45 minutes that made 30,000 steps, and a server of an hour and a half.
    /// </summary>
    private static GpuLedger Ledger(decimal price = 3.06m)
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddDays(-1));
        ledger.ObserveNode("n1", "Tesla-V100", 1, Start);
        ledger.Reprice("Tesla-V100", GpuHourPrice.FromDecimal(price), Start);
        ledger.Observe(Pod("p", new("team-vision", "Job", "train", "uid-train"), Start, Start.AddMinutes(45)));
        ledger.Observe(Pod("q", new("team-nlp", "Deployment", "chat", "uid-chat"), Start.AddHours(1), Start.AddHours(2.5)));
        ledger.Record(
            new()
            {
                Node = "n1",
                Epoch = "e",
                First = 1,
                Next = 3,
                Intervals =
                [
                    new()
                    {
                        Seq = 1,
                        PodUid = "q",
                        Namespace = "team-nlp",
                        Pod = "q",
                        Device = "GPU-0",
                        From = Start.AddHours(1),
                        To = Start.AddHours(2.5),
                        BusyMs = 540_000,
                        EnergyMj = 1_350_000_000,
                    },
                ],
                Tokens =
                [
                    new()
                    {
                        Seq = 2,
                        PodUid = "q",
                        Model = "llama",
                        Prompt = 1_000_000,
                        Generated = 530_000,
                        Requests = 5_100,
                        At = Start.AddHours(2),
                    },
                ],
            },
            null
        );
        return ledger;
    }

    /// <summary>The stored state of the job's budget, by default the job's progress.</summary>
    private static OperatorState State(BudgetMemory? memory = null)
    {
        var progress = ProgressSeries.Empty.With(new(Start, 1, 30_000)).With(new(Start.AddMinutes(45), 30_000, 30_000));
        var state = new OperatorState();
        state.SetBudgetMemory(
            "team-vision",
            "vision",
            "uid-vision",
            memory ?? new() { Progress = new SortedDictionary<string, ProgressSeries>(StringComparer.Ordinal) { ["uid-train"] = progress } }
        );
        return state;
    }

    private static PodObservation Pod(string uid, WorkloadKey workload, DateTimeOffset from, DateTimeOffset to) =>
        new()
        {
            Uid = uid,
            Pod = uid,
            Workload = workload,
            Class = workload.Kind == "Job" ? WorkloadClass.Training : WorkloadClass.Inference,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = "Tesla-V100",
            Gpus = 1,
            ScheduledAt = from,
            FinishedAt = to,
            ObservedAt = to,
        };
}
