using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Checkpoint reports of pods are in the ledger before they are acknowledged to the agent, also after a restart.</summary>
public sealed class CheckpointLedgerTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Checkpoint_report_counts_once_and_survives_a_restart()
    {
        var ledger = Ledger();
        ledger.CheckpointOf("p").Should().BeNull();

        ledger
            .Record(
                Report(
                    1,
                    new CheckpointSample
                    {
                        Seq = 1,
                        PodUid = "p",
                        At = Start,
                    }
                ),
                null
            )
            .Applied.Should()
            .Be(1);
        ledger
            .Record(
                Report(
                    1,
                    new CheckpointSample
                    {
                        Seq = 1,
                        PodUid = "p",
                        At = Start.AddHours(1),
                    }
                ),
                null
            )
            .Repeated.Should()
            .Be(1);
        ledger.CheckpointOf("p").Should().Be(new PodCheckpoint("p", Start, null, null, null));

        ledger
            .Record(
                Report(
                    1,
                    new CheckpointSample
                    {
                        Seq = 2,
                        PodUid = "p",
                        At = Start.AddMinutes(2),
                        Id = "nlp/x",
                        Done = Start.AddMinutes(1),
                        Step = 700,
                    },
                    new CheckpointSample
                    {
                        Seq = 3,
                        PodUid = "p",
                        At = Start.AddMinutes(3),
                    }
                ),
                null
            )
            .Applied.Should()
            .Be(2);
        var said = new PodCheckpoint("p", Start, "nlp/x", Start.AddMinutes(1), 700);
        ledger.CheckpointOf("p").Should().Be(said, "a repeated request reverts nothing");

        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        var read = LedgerWorld.Read(stored.Values);
        read.CheckpointOf("p").Should().Be(said);
        read.Record(
                Report(
                    1,
                    new CheckpointSample
                    {
                        Seq = 3,
                        PodUid = "p",
                        At = Start,
                        Id = "other",
                    }
                ),
                null
            )
            .Applied.Should()
            .Be(0);
    }

    [Fact]
    public void Checkpoint_report_from_another_node_or_of_an_unknown_pod_is_rejected()
    {
        var ledger = Ledger();
        ledger
            .Record(
                Report(
                    1,
                    new CheckpointSample
                    {
                        Seq = 1,
                        PodUid = "p",
                        At = Start,
                    }
                ) with
                {
                    Node = "n2",
                },
                null
            )
            .Unattributed.Should()
            .Be(1);
        ledger
            .Record(
                Report(
                    1,
                    new CheckpointSample
                    {
                        Seq = 1,
                        PodUid = "unknown",
                        At = Start,
                    }
                ),
                null
            )
            .Unattributed.Should()
            .Be(1);
        ledger.CheckpointOf("p").Should().BeNull();
        ledger.CheckpointOf("unknown").Should().BeNull();
    }

    private static GpuLedger Ledger()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Observe(
            new()
            {
                Uid = "p",
                Pod = "train-abcde",
                Workload = new("team", "Job", "train", "job-uid"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Product = "V100",
                Gpus = 1,
                ScheduledAt = Start,
                ObservedAt = Start,
            }
        );
        return ledger;
    }

    private static UsageReport Report(long first, params CheckpointSample[] samples) =>
        new()
        {
            Node = "n1",
            Epoch = "e",
            First = first,
            Next = samples[^1].Seq + 1,
            Now = Start,
            Checkpoints = samples,
        };
}
