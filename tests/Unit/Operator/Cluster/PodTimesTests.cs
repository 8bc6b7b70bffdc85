using System.Globalization;
using System.Text.Json;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

/// <summary>Ends of pods, from JSON as kubelets of several versions write it. All pods were scheduled at 10:00:00.</summary>
public sealed class PodTimesTests
{
    private const string Init = """{"name":"init","state":{"terminated":{"exitCode":0,"finishedAt":"2026-11-21T10:03:00Z"}}}""";
    private const string Failed = """{"name":"init","state":{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T10:03:00Z"}}}""";
    private const string Unknown =
        """{"name":"main","state":{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown","finishedAt":null}}}""";

    [Theory]
    // From a field report: the end of the main container is unknown, that of the init container is known.
    [InlineData(
        "22:00:05",
        "Failed",
        """ "initContainerStatuses":[INIT],"containerStatuses":[UNKNOWN] """,
        "Ready/False/22:00:05",
        "DisruptionTarget/True/22:00:05"
    )]
    [InlineData("22:00:05", "Failed", """ "initContainerStatuses":[INIT],"containerStatuses":[UNKNOWN] """, "Ready/False/22:00:05")]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "initContainerStatuses":[INIT],"containerStatuses":[UNKNOWN] """,
        "Ready/False/10:00:01",
        "PodReadyToStartContainers/False/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "initContainerStatuses":[INIT],"containerStatuses":[UNKNOWN] """,
        "Ready/False/10:00:01",
        "DisruptionTarget/True/22:00:05"
    )]
    [InlineData("22:00:05", "Failed", """ "initContainerStatuses":[INIT] """, "Ready/False/22:00:05")]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":137,"finishedAt":"1970-01-01T00:00:00Z"}}}] """,
        "Ready/False/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":137,"finishedAt":""}}}] """,
        "Ready/False/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","state":{"running":{"startedAt":"2026-11-21T10:03:00Z"}}}] """,
        "Ready/False/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T22:00:05Z"}}}] """,
        "Ready/False/10:30:00"
    )]
    // A restartable init container still runs when the pod is over, so its end is unknown too.
    [InlineData(
        "22:00:05",
        "Succeeded",
        """ "initContainerStatuses":[{"name":"side","state":{"running":{}}}],"containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":0,"finishedAt":"2026-11-21T22:00:00Z"}}}] """,
        "Ready/False/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Succeeded",
        """ "initContainerStatuses":[{"name":"side","state":{"terminated":{"exitCode":0,"finishedAt":"2026-11-21T22:00:05Z"}}}],"containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":0,"finishedAt":"2026-11-21T22:00:00Z"}}}] """
    )]
    // The init container failed, so the main one never ran.
    [InlineData(
        "10:03:00",
        "Failed",
        """ "initContainerStatuses":[FAILED],"containerStatuses":[{"name":"main","restartCount":0,"state":{"waiting":{"reason":"PodInitializing"}}}] """,
        "Ready/False/10:00:01"
    )]
    // The pod was evicted while it pulled its image, so it had its devices to the end.
    [InlineData(
        "22:00:05",
        "Failed",
        """ "reason":"Evicted","initContainerStatuses":[INIT],"containerStatuses":[{"name":"main","restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff"}}}] """,
        "Ready/False/10:00:01",
        "DisruptionTarget/True/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff"}}},{"name":"side","state":{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T10:03:00Z"}}}] """,
        "DisruptionTarget/True/22:00:05"
    )]
    // The pod was in a crash loop when it was failed, so it had its devices to the end.
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","restartCount":7,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T21:58:00Z"}}}] """,
        "Ready/False/21:58:01",
        "DisruptionTarget/True/22:00:05"
    )]
    // Ready was lost to the container's first crash, or while it was slow to start; the container ran on until the disruption.
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","restartCount":1,"state":{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown"}},"lastState":{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T12:00:00Z"}}}] """,
        "Ready/False/12:00:01",
        "DisruptionTarget/True/22:00:05"
    )]
    [InlineData(
        "22:00:05",
        "Failed",
        """ "containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":137,"startedAt":"2026-11-21T10:04:00Z","finishedAt":null}}}] """,
        "Ready/False/10:00:30",
        "PodReadyToStartContainers/False/22:00:05"
    )]
    // No container statuses at all.
    [InlineData("22:00:05", "Failed", """ "reason":"Evicted" """, "DisruptionTarget/True/22:00:05")]
    [InlineData("22:00:05", "Failed", """ "reason":"NodeLost" """, "Ready/False/22:00:05")]
    [InlineData("22:00:05", "Failed", """ "reason":"Preempting" """, "Ready/False/22:00:05")]
    [InlineData("10:00:01", "Failed", """ "reason":"UnexpectedAdmissionError" """)]
    [InlineData("10:00:01", "Failed", """ "reason":"OutOfnvidia.com/gpu" """)]
    public void End_of_a_pod_that_is_over_is_its_last_known_moment(string end, string phase, string statuses, params string[] conditions)
    {
        var pod = Pod(phase, statuses, conditions);

        PodTimes.IsOver(pod).Should().BeTrue();
        PodTimes.FinishedAt(pod).Should().Be(At(end));
    }

    [Theory]
    [InlineData(""" "containerStatuses":[UNKNOWN] """)]
    [InlineData(""" "reason":"Evicted" """)]
    [InlineData(""" "containerStatuses":[{"name":"main","state":{}}] """)]
    [InlineData(
        """ "reason":"DeadlineExceeded","containerStatuses":[{"name":"main","restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff"}}}] """
    )]
    public void Unknown_end_is_bounded_by_the_time_of_observation(string statuses)
    {
        var pod = Pod("Failed", statuses, "Ready/False/10:00:01");

        var end = Bursar.Core.Ledger.PodEnd.From(PodTimes.EndFacts(pod, At("10:00:00"), At("23:00:00")));

        end.Should().Be(new Bursar.Core.Ledger.PodEnd(At("10:00:00"), At("23:00:00"), IsExact: false));
    }

    [Theory]
    // Not ready since before the container's last known start, or since the crash before it.
    [InlineData("12:00:00", """{"running":{"startedAt":"2026-11-21T12:00:00Z"}}""", "{}", "Ready/False/11:30:00")]
    [InlineData(
        "12:00:00",
        """{"terminated":{"exitCode":137,"startedAt":"2026-11-21T12:00:00Z","finishedAt":null}}""",
        "{}",
        "Ready/False/11:30:00"
    )]
    [InlineData(
        "12:00:00",
        """{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown"}}""",
        """{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T12:00:00Z"}}""",
        "Ready/False/12:00:01"
    )]
    [InlineData(
        "12:00:00",
        """{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown"}}""",
        """{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T12:00:00Z"}}""",
        "Ready/False/10:30:00"
    )]
    // In a crash loop: not ready since the crash, and long before it where it was never ready.
    [InlineData(
        "12:00:00",
        """{"waiting":{"reason":"CrashLoopBackOff"}}""",
        """{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T12:00:00Z"}}""",
        "Ready/False/12:00:07"
    )]
    [InlineData(
        "12:00:00",
        """{"waiting":{"reason":"CrashLoopBackOff"}}""",
        """{"terminated":{"exitCode":1,"finishedAt":"2026-11-21T12:00:00Z"}}""",
        "Ready/False/11:00:00"
    )]
    // A sandbox that was replaced, and a disruption that did not come.
    [InlineData("12:00:00", """{"running":{"startedAt":"2026-11-21T12:00:00Z"}}""", "{}", "PodReadyToStartContainers/False/11:59:00")]
    [InlineData("12:00:00", """{"running":{"startedAt":"2026-11-21T12:00:00Z"}}""", "{}", "DisruptionTarget/True/11:59:00")]
    public void Condition_before_the_last_start_of_a_container_is_no_end(string lastKnown, string state, string lastState, string condition)
    {
        var pod = Pod(
            "Failed",
            $$""" "containerStatuses":[{"name":"main","restartCount":1,"state":{{state}},"lastState":{{lastState}}}] """,
            condition
        );

        var end = Bursar.Core.Ledger.PodEnd.From(PodTimes.EndFacts(pod, At("10:00:00"), At("23:00:00")));

        end.Should().Be(new Bursar.Core.Ledger.PodEnd(At(lastKnown), At("23:00:00"), IsExact: false));
    }

    [Theory]
    [InlineData("""{"running":{"startedAt":"2026-11-21T12:00:00Z"}}""", "{}")]
    [InlineData("""{"terminated":{"exitCode":137,"startedAt":"2026-11-21T12:00:00Z","finishedAt":null}}""", "{}")]
    [InlineData(
        """{"waiting":{}}""",
        """{"terminated":{"exitCode":1,"startedAt":"2026-11-21T11:00:00Z","finishedAt":"2026-11-21T12:00:00Z"}}"""
    )]
    public void Last_start_of_a_container_survives_writing_the_pod(string state, string lastState)
    {
        var pod = Pod("Failed", $$""" "containerStatuses":[{"name":"main","state":{{state}},"lastState":{{lastState}}}] """);

        var read = JsonSerializer.Deserialize(JsonSerializer.Serialize(pod, V1Pod.JsonTypeInfo), V1Pod.JsonTypeInfo)!;

        read.Status.ContainerStatuses.Should().ContainSingle().Which.StartedAt.Should().Be(At("12:00:00"));
    }

    [Fact]
    public void Running_pod_has_no_end() => PodTimes.FinishedAt(Pod("Running", """ "containerStatuses":[UNKNOWN] """)).Should().BeNull();

    private static V1Pod Pod(string phase, string statuses, params string[] conditions)
    {
        var all = conditions
            .Select(condition => condition.Split('/'))
            .Select(parts => $$"""{"type":"{{parts[0]}}","status":"{{parts[1]}}","lastTransitionTime":"2026-11-21T{{parts[2]}}Z"}""")
            .Prepend("""{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-11-21T10:00:00Z"}""");
        return JsonSerializer.Deserialize(
            $$$"""
            {"metadata":{"name":"p","namespace":"team","uid":"u","creationTimestamp":"2026-11-21T10:00:00Z"},
             "spec":{"nodeName":"n","containers":[{"name":"main"}]},
             "status":{"phase":"{{{phase}}}","startTime":"2026-11-21T10:00:01Z","conditions":[{{{string.Join(
                ',',
                all
            )}}}],{{{statuses.Replace("INIT", Init).Replace("FAILED", Failed).Replace("UNKNOWN", Unknown)}}}}}
            """,
            V1Pod.JsonTypeInfo
        )!;
    }

    private static DateTimeOffset At(string time) => DateTimeOffset.Parse($"2026-11-21T{time}Z", CultureInfo.InvariantCulture);
}
