using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Nodes;

public sealed class WorkloadTests
{
    [Theory]
    [InlineData("work", "dancing")]
    [InlineData("startup", "20 seconds")]
    [InlineData("startup", "-1s")]
    [InlineData("busy", "1.5")]
    [InlineData("exit-code", "x")]
    public void Annotation_that_cannot_be_read_is_named(string key, string value)
    {
        var annotations = new Dictionary<string, string> { [SimulationAnnotations.Prefix + key] = value };

        Workload.TryRead(annotations, out _, out var error).Should().BeFalse();

        error.Should().Contain(SimulationAnnotations.Prefix + key).And.Contain(value);
    }

    [Fact]
    public void Founding_job_reads()
    {
        var annotations = new Dictionary<string, string>
        {
            [SimulationAnnotations.Work] = "training",
            [SimulationAnnotations.Steps] = "30000",
            [SimulationAnnotations.StepTime] = "90ms",
            [SimulationAnnotations.Report] = "metric, annotation",
        };

        Workload.TryRead(annotations, out var workload, out _).Should().BeTrue();

        var training = workload.Should().BeOfType<TrainingWorkload>().Subject;
        training.Steps.Should().Be(30_000);
        training.StepTime.Should().Be(TimeSpan.FromMilliseconds(90));
        training.Reports.Should().Be(ProgressReports.Metric | ProgressReports.Annotation);
        training.Port.Should().Be(9000);
    }
}
