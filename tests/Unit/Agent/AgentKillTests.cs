using System.Text.Json;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Unit.Agent;

/// <summary>
/// The agent is killed at any moment, with the last line of its journal torn or whole; the operator is killed too. Cost comes from times of
/// the API and stays exactly the same. Closed intervals count once each, a killed agent loses its open interval, and token counters lose
/// nothing because the servers keep them.
/// </summary>
public sealed class AgentKillTests
{
    private static readonly DateTimeOffset Start = new(2028, 2, 29, 23, 50, 0, TimeSpan.Zero); // the last minutes of a leap day
    private static readonly GpuHourPrice Price = GpuHourPrice.FromDecimal(3.06m);

    public readonly record struct Step(byte What, byte Much);

    [Fact]
    public void Agent_killed_anywhere_loses_no_closed_interval_and_no_cost() =>
        Prop.ForAll(ArbMap.Default.ArbFor<Step[]>(), Measure).Check(Config.QuickThrowOnFailure.WithMaxTest(15).WithEndSize(30));

    [Fact]
    public void Agent_stopped_at_midnight_counts_its_last_tokens_once() =>
        // Ten minutes, in which the agent is down for 130 and 159 s.
        Measure([new(0, 10), new(4, 130), new(0, 95), new(0, 20), new(0, 98), new(0, 32), new(4, 159), new(0, 25), new(0, 24)]);

    private static void Measure(Step[] steps)
    {
        using var folder = new TestFolder();
        var node = new Node(folder);
        var ledger = Known(new());
        var stored = new Dictionary<string, string>();
        long measured = 0;
        var first = node.Time.GetUtcNow();
        foreach (var (what, much) in steps)
        {
            switch (what % 9)
            {
                case 0 or 1 or 2 or 3:
                    for (var second = 0; second <= much % 100; second++)
                        node.Second();
                    break;
                case 4 or 5 or 6:
                    // 4: stopped by the kubelet, 5: killed between two writes, 6: killed in the middle of a write.
                    var ran = node.Last - first;
                    measured +=
                        what % 9 == 4
                            ? (long)ran.TotalMilliseconds
                            : (long)Math.Floor(ran / UsageAccumulator.Length) * (long)UsageAccumulator.Length.TotalMilliseconds;
                    node.End(graceful: what % 9 == 4, torn: what % 9 == 6 ? much : null);
                    node.Time.Advance(TimeSpan.FromSeconds(much)); // no agent is running
                    node.Begin();
                    first = node.Last;
                    break;
                case 7:
                    Ask(node, ledger);
                    var writes = much % 4;
                    Write(ledger, stored, _ => writes-- > 0);
                    break;
                default:
                    ledger = Known(Read(stored));
                    break;
            }
        }
        measured += (long)(node.Last - first).TotalMilliseconds;
        node.End(graceful: true, torn: null);
        node.Begin();
        var end = node.Time.GetUtcNow();
        while (Ask(node, ledger) > 0)
            Write(ledger, stored, _ => true);

        var work = ledger.SpentByWorkload("ml", LabelSelector.Everything, Start, end, end).Single();
        work.Spent.Should().Be((Price * 1).For(end - Start), "the bill does not depend on the agent");
        // Busy for 40 % of each measured second, with one watt per busy millisecond.
        (work.Usage.MeasuredMs, work.Usage.BusyMs, work.Usage.EnergyMj).Should().Be((measured, measured * 40 / 100, measured));
        work.Usage.Tokens.Should().BeEquivalentTo(new Dictionary<string, TokenSums> { ["m"] = new(node.Tokens, 0, 3 * node.Tokens) });
        node.End(graceful: true, torn: null);
    }

    /// <summary>Polls the agent from the stored cursor as the operator does. Returns the number of entries.</summary>
    private static int Ask(Node node, GpuLedger ledger)
    {
        var after = ledger.DurableCursor("gpu-1");
        var report = node.Journal.Read("gpu-1", after is null ? null : new(after.Epoch, after.Seq));
        ledger.Record(report, after).Gap.Should().BeNull("nothing that was served or closed is lost");
        return report.Intervals.Count + report.Tokens.Count;
    }

    private static GpuLedger Known(GpuLedger ledger)
    {
        ledger.Install(Start);
        ledger.Reprice("V100", Price, Start);
        ledger.ObserveNode("gpu-1", "V100", 1, Start);
        ledger.Observe(
            new()
            {
                Uid = "p",
                Pod = "p",
                Workload = new("ml", "Job", "p", "job"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "gpu-1",
                Gpus = 1,
                ScheduledAt = Start,
                ObservedAt = Start,
            }
        );
        return ledger;
    }

    private static void Write(GpuLedger ledger, Dictionary<string, string> stored, Func<LedgerShard, bool> succeeds)
    {
        foreach (var shard in ledger.DirtyShards())
        {
            if (!succeeds(shard))
                return;
            stored[shard.Name] = JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard);
            ledger.MarkWritten(shard.Name, shard.Revision);
        }
    }

    private static GpuLedger Read(Dictionary<string, string> stored) =>
        GpuLedger.Load(stored.Values.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!));

    /// <summary>
    /// A node with one GPU that one pod uses, with the sampler and journal of an agent. The clock advances a second at a time.
    /// </summary>
    private sealed class Node : IGpuReader, IPodResources
    {
        private readonly TestFolder _folder;
        private readonly TargetStore _targets = new();
        private Sampler _sampler = null!;
        private TokenIntake _intake = null!;

        public Node(TestFolder folder)
        {
            this._folder = folder;
            _targets.Replace(
                new()
                {
                    Pods =
                    [
                        new()
                        {
                            Uid = "p",
                            Namespace = "ml",
                            Name = "p",
                        },
                    ],
                }
            );
            Begin();
        }

        public VirtualTimeProvider Time { get; } = new(Start);

        public UsageJournal Journal { get; private set; } = null!;

        /// <summary>Time of the last sample.</summary>
        public DateTimeOffset Last { get; private set; }

        /// <summary>Prompt tokens that the server has counted since its start; generated tokens are three times as many.</summary>
        public long Tokens { get; private set; }

        public void Begin()
        {
            Journal = UsageJournal.Open(
                new()
                {
                    Directory = _folder.Path,
                    SegmentEntries = 5,
                    ReportEntries = 4,
                },
                new Random(1),
                Time,
                NullLogger.Instance
            );
            _sampler = new(this, this, new(_targets, null, null, Time), Journal, new(), Time, NullLogger<Sampler>.Instance);
            _intake = new(Journal, Time);
            Sample();
        }

        public void Second()
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            Tokens += 7;
            Sample();
        }

        public void End(bool graceful, byte? torn)
        {
            if (graceful)
            {
                using var stop = new CancellationTokenSource();
                stop.Cancel();
                _sampler.RunAsync(stop.Token).GetAwaiter().GetResult();
                _intake.Retain(null);
            }
            Journal.Dispose();
            if (torn is not { } bytes)
                return;
            // A torn line follows the complete ones.
            var newest = Directory.GetFiles(_folder.Path).Order(StringComparer.Ordinal).Last();
            File.AppendAllText(newest, "9a0e3c41 {\"seq\":7,\"interval\":{\"seq\":7,\"podUid\":\"p\",\"busyMs\":99999"[..(1 + bytes % 60)]);
        }

        public GpuSnapshot Read() =>
            new(
                NvmlState.Ready,
                "ready",
                [
                    new()
                    {
                        Uuid = "GPU-a",
                        UtilizationPercent = 40,
                        EnergyMillijoules = (long)(Time.GetUtcNow() - Start).TotalMilliseconds,
                    },
                ]
            );

        public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<PodDevice>>([new("ml", "p", "main", "nvidia.com/gpu", "GPU-a")]);

        public void Dispose() { }

        private void Sample()
        {
            _sampler.SampleAsync(default).GetAwaiter().GetResult();
            Last = Time.GetUtcNow();
            _intake.Record(
                new TokenSample
                {
                    PodUid = "p",
                    Model = "m",
                    Prompt = Tokens,
                    Generated = 3 * Tokens,
                    At = Last,
                }
            );
        }
    }
}
