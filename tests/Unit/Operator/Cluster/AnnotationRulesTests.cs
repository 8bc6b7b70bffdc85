using Bursar.Api;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

public sealed class AnnotationRulesTests
{
    [Theory]
    [InlineData("expected-duration", "3d", "72h")]
    [InlineData("expected-duration", "1d12h", "36h")]
    [InlineData("expected-duration", " 90m\n", "1.5h")]
    public void Duration_with_days_is_parsed(string name, string value, string hours)
    {
        Problems((name, value)).Should().BeEmpty();
        BursarAnnotations
            .ReadDuration(Meta((name, value)), null)!
            .Value.TotalHours.ToString(System.Globalization.CultureInfo.InvariantCulture)
            .Should()
            .Be(hours[..^1]);
    }

    [Theory]
    [InlineData("expected-duration", "2 hours")]
    [InlineData("expected-duration", "PT2H")]
    [InlineData("expected-duration", "0s")]
    [InlineData("expected-duration", "-3h")]
    [InlineData("expected-duration", "3")]
    [InlineData("expected-duration", "")]
    [InlineData("total-steps", "30,000")]
    [InlineData("total-steps", "3e4")]
    [InlineData("total-steps", "0")]
    [InlineData("progress", "40%")]
    [InlineData("progress", "1200 of 30000")]
    [InlineData("progress", "1200/0")]
    [InlineData("last-checkpoint", "yesterday")]
    [InlineData("last-checkpoint", "2026-11-02 09:00")]
    [InlineData("checkpoint", "true")]
    [InlineData("priority", "high")]
    [InlineData("priority", "1.5")]
    [InlineData("class", "batch")]
    [InlineData("series", " ")]
    [InlineData("resume", "yes")]
    [InlineData("metrics-port", "http")]
    [InlineData("metrics-path", "metrics")]
    public void Value_that_cannot_be_read_is_quoted_with_what_is_accepted(string name, string value)
    {
        var problem = Problems((name, value)).Should().ContainSingle().Subject;

        problem.Message.Should().StartWith($"Annotation bursar.dev/{name}: \"{value}\" is ignored").And.Contain("Accepted: ");
    }

    [Theory]
    [InlineData("total-steps", "30000")]
    [InlineData("progress", "1200/30000")]
    [InlineData("progress", "1200")]
    [InlineData("last-checkpoint", "2026-11-02T09:00:00Z")]
    [InlineData("checkpoint", "supported")]
    [InlineData("priority", "-5")]
    [InlineData("class", "training")]
    [InlineData("series", "nightly")]
    [InlineData("resume", "approved")]
    [InlineData("metrics-port", "8000")]
    [InlineData("metrics-path", "/metrics")]
    [InlineData("suspended-by", "gpubudget/b")]
    public void Value_that_is_accepted_is_no_problem(string name, string value) => Problems((name, value)).Should().BeEmpty();

    [Fact]
    public void Name_that_is_not_known_has_no_effect() =>
        Problems(("expected_duration", "3h"))
            .Should()
            .ContainSingle()
            .Which.Message.Should()
            .Contain("has no effect")
            .And.Contain("expected-duration");

    [Fact]
    public void Foreign_annotations_are_ignored() =>
        AnnotationRules
            .Problems(
                new()
                {
                    Annotations = new Dictionary<string, string>
                    {
                        ["example.com/expected-duration"] = "2 hours",
                        ["sim.bursar.dev/run-for"] = "x",
                    },
                },
                [],
                []
            )
            .Should()
            .BeEmpty();

    [Fact]
    public void Annotations_of_pod_templates_are_checked_too() =>
        AnnotationRules
            .Problems(new(), [], [new V1PodTemplateSpec { Metadata = Meta(("expected-duration", "2 hours"), ("resume", "approved")) }])
            .Should()
            .SatisfyRespectively(
                one => one.Message.Should().ContainAll("expected-duration", "2 hours", "pod template", "2h30m"),
                one => one.Message.Should().ContainAll("resume", "pod template", "the workload itself")
            );

    [Fact]
    public void Annotation_of_a_template_that_is_not_read_is_reported()
    {
        var head = new V1PodTemplateSpec { Metadata = Meta(("expected-duration", "2h"), ("priority", "5"), ("metrics-port", "8000")) };
        var workers = new V1PodTemplateSpec { Metadata = Meta(("priority", "7")) };

        AnnotationRules
            .Problems(new(), [], [head, workers], workers)
            .Should()
            .ContainSingle()
            .Which.Message.Should()
            .ContainAll("expected-duration of the pod template", "the workload itself", "first pod template");
        AnnotationRules
            .Problems(Meta(("expected-duration", "3h")), [], [head, workers], workers)
            .Should()
            .BeEmpty("the annotation of the workload comes first");
    }

    [Fact]
    public void Class_of_a_template_that_is_not_read_there_is_reported()
    {
        var template = new V1PodTemplateSpec { Metadata = Meta(("class", "inference")) };

        AnnotationRules
            .Problems(new(), [], [template], template, readsClass: false)
            .Should()
            .ContainSingle()
            .Which.Message.Should()
            .ContainAll("class of the pod template", "the workload itself");
        AnnotationRules.Problems(new(), [], [template], template).Should().BeEmpty();
    }

    private static IEnumerable<AnnotationProblem> Problems(params (string Name, string Value)[] annotations) =>
        AnnotationRules.Problems(Meta(annotations), [], []);

    private static V1ObjectMeta Meta(params (string Name, string Value)[] annotations) =>
        new() { Annotations = annotations.ToDictionary(one => "bursar.dev/" + one.Name, one => one.Value) };
}
