using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Tables;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Tables;

public sealed class TablePrinterTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Pod_state_is_printed_in_one_word()
    {
        Cells(
                "pods",
                """
                {"metadata":{"name":"p","creationTimestamp":"2026-11-21T11:54:48Z"},
                 "spec":{"nodeName":"n1","containers":[{"name":"c"},{"name":"d"}],"readinessGates":[{"conditionType":"a/b"}]},
                 "status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"a/b","status":"True"}],
                   "containerStatuses":[
                     {"name":"c","ready":true,"restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2026-11-21T11:00:00Z"}}},
                     {"name":"d","ready":false,"restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}
                """
            )
            .Should()
            .Be("""["p","1/2","CrashLoopBackOff","3 (60m ago)","5m12s","10.0.0.1","n1","\u003Cnone\u003E","1/1"]""");
    }

    [Theory]
    [InlineData("""{"status":{"phase":"Pending"}}""", "Pending")]
    [InlineData("""{"status":{"phase":"Failed","reason":"Evicted"}}""", "Evicted")]
    [InlineData("""{"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","reason":"SchedulingGated"}]}}""", "SchedulingGated")]
    [InlineData("""{"metadata":{"deletionTimestamp":"2026-11-21T11:00:00Z"},"status":{"phase":"Running"}}""", "Terminating")]
    [InlineData("""{"metadata":{"deletionTimestamp":"2026-11-21T11:00:00Z"},"status":{"phase":"Succeeded"}}""", "Succeeded")]
    [InlineData(
        """{"spec":{"initContainers":[{"name":"i"},{"name":"j"}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{"reason":"PodInitializing"}}}]}}""",
        "Init:0/2"
    )]
    [InlineData(
        """{"spec":{"initContainers":[{"name":"i"}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":3}}}]}}""",
        "Init:ExitCode:3"
    )]
    [InlineData(
        """{"status":{"phase":"Running","containerStatuses":[{"name":"c","state":{"terminated":{"signal":9,"exitCode":137}}}]}}""",
        "Signal:9"
    )]
    [InlineData(
        """{"status":{"phase":"Succeeded","containerStatuses":[{"name":"c","state":{"terminated":{"reason":"Completed"}}}]}}""",
        "Completed"
    )]
    [InlineData(
        """{"status":{"phase":"Running","containerStatuses":[{"name":"c","state":{"terminated":{"reason":"Completed"}}},{"name":"d","ready":true,"state":{"running":{}}}]}}""",
        "NotReady"
    )]
    public void Pod_status_is_printed_as_kubectl_prints_it(string pod, string expected) =>
        Row("pods", pod)[2]!.GetValue<string>().Should().Be(expected);

    [Theory]
    [InlineData("""{"spec":{"completions":3},"status":{"startTime":"2026-11-21T11:00:00Z","succeeded":1}}""", "Running", "1/3", "60m")]
    [InlineData(
        """{"spec":{"suspend":true,"parallelism":4},"status":{"conditions":[{"type":"Suspended","status":"True"}]}}""",
        "Suspended",
        "0/1 of 4",
        ""
    )]
    [InlineData(
        """{"spec":{"completions":1},"status":{"startTime":"2026-11-21T10:00:00Z","completionTime":"2026-11-21T10:07:05Z","succeeded":1,"conditions":[{"type":"Complete","status":"True"}]}}""",
        "Complete",
        "1/1",
        "7m5s"
    )]
    [InlineData(
        """{"spec":{"completions":1},"status":{"conditions":[{"type":"Suspended","status":"False"},{"type":"Failed","status":"True"}]}}""",
        "Failed",
        "0/1",
        ""
    )]
    [InlineData("""{"metadata":{"deletionTimestamp":"2026-11-21T11:00:00Z"},"spec":{"completions":1}}""", "Terminating", "0/1", "")]
    public void Job_row_is_printed_as_kubectl_prints_it(string job, string status, string completions, string duration) =>
        Row("jobs.batch", job).Skip(1).Take(3).Select(c => c!.GetValue<string>()).Should().Equal(status, completions, duration);

    [Fact]
    public void Event_of_either_group_prints_alike()
    {
        const string core = """
            {"metadata":{"name":"e"},"involvedObject":{"kind":"Job","name":"j"},"type":"Warning","reason":"Parked","message":"stop\n",
             "source":{"component":"bursar"},"firstTimestamp":"2026-11-21T10:00:00Z","lastTimestamp":"2026-11-21T11:00:00Z","count":2}
            """;
        const string grouped = """
            {"metadata":{"name":"e"},"regarding":{"kind":"Job","name":"j"},"type":"Warning","reason":"Parked","note":"stop",
             "reportingController":"bursar","eventTime":"2026-11-21T10:00:00.000000Z","series":{"count":2,"lastObservedTime":"2026-11-21T11:00:00.000000Z"}}
            """;
        const string expected = """["60m","Warning","Parked","job/j","","bursar","stop","120m","2","e"]""";
        Cells("events", core).Replace(",2,", ",\"2\",", StringComparison.Ordinal).Should().Be(expected);
        Cells("events.events.k8s.io", grouped).Replace(",2,", ",\"2\",", StringComparison.Ordinal).Should().Be(expected);
    }

    [Fact]
    public void Node_row_names_its_roles_and_whether_it_is_schedulable() =>
        Row(
                "nodes",
                """
                {"metadata":{"name":"n","labels":{"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/gpu":""}},"spec":{"unschedulable":true},
                 "status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1.36.0"}}}
                """
            )
            .Take(5)
            .Select(c => c!.GetValue<string>())
            .Should()
            .Equal("n", "Ready,SchedulingDisabled", "gpu,worker", "<unknown>", "v1.36.0");

    [Fact]
    public void Custom_kind_prints_the_columns_of_its_CRD()
    {
        var kind = Custom(
            new ColumnInfo("Count", "integer", ".spec.count"),
            new ColumnInfo("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
            new ColumnInfo("Sub", "string", ".spec.sub"),
            new ColumnInfo("Rate", "number", ".spec.rate"),
            new ColumnInfo("On", "boolean", ".spec.on"),
            new ColumnInfo("Wrong", "integer", ".spec.text"),
            new ColumnInfo("Missing", "string", ".spec.nothing"),
            new ColumnInfo("Since", "date", ".spec.since"),
            new ColumnInfo("Until", "date", ".spec.until"),
            new ColumnInfo("Never", "date", ".spec.text")
        );
        var table = TablePrinter.Print(
            kind,
            [
                Parse(
                    """
                    {"metadata":{"name":"w"},
                     "spec":{"count":3,"sub":{"x":1},"rate":1.5,"on":true,"text":"abc","since":"2026-11-19T08:00:00Z","until":"2027-01-01T00:00:00Z"},
                     "status":{"conditions":[{"type":"Ready","reason":"Fine"}]}}
                    """
                ),
            ],
            Now
        );
        table["rows"]![0]!["cells"]!
            .ToJsonString()
            .Should()
            .Be("""["w",3,"Fine","{\u0022x\u0022:1}",1.5,true,null,null,"2d4h","\u003Cinvalid\u003E","\u003Cinvalid\u003E"]""");
        table["columnDefinitions"]!
            .AsArray()
            .Select(c => c!["name"]!.GetValue<string>())
            .Should()
            .Equal("Name", "Count", "Ready", "Sub", "Rate", "On", "Wrong", "Missing", "Since", "Until", "Never");
    }

    [Fact]
    public void Custom_kind_without_columns_prints_name_and_age() =>
        TablePrinter.Print(Custom(), [Parse("""{"metadata":{"name":"w","creationTimestamp":"2026-11-21T11:59:00Z"}}""")], Now)["rows"]![0]![
            "cells"
        ]!
            .ToJsonString()
            .Should()
            .Be("""["w","60s"]""");

    [Fact]
    public void Row_contains_as_much_of_the_object_as_requested()
    {
        var kind = Kind("configmaps");
        var source = Parse("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"d"},"data":{"a":"b"}}""");
        TablePrinter.Print(kind, [source], Now, "None")["rows"]![0]!["object"].Should().BeNull();
        TablePrinter.Print(kind, [source], Now, "Object")["rows"]![0]!["object"]!.ToJsonString().Should().Be(source.ToJsonString());
        TablePrinter.Print(kind, [source], Now)["rows"]![0]!["object"]!
            .ToJsonString()
            .Should()
            .Be("""{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"c","namespace":"d"}}""");
    }

    [Fact]
    public void Later_events_of_a_watch_repeat_no_columns_and_a_list_keeps_its_metadata()
    {
        var table = TablePrinter.Print(
            Kind("configmaps"),
            [],
            Now,
            withColumns: false,
            listMeta: new JsonObject { ["resourceVersion"] = "7" }
        );
        table["columnDefinitions"]!.AsArray().Should().BeEmpty();
        table["metadata"]!["resourceVersion"]!.GetValue<string>().Should().Be("7");
    }

    [Fact]
    public void Every_kind_prints_an_empty_object_without_failing()
    {
        foreach (var kind in BuiltInKinds.All)
        {
            var table = TablePrinter.Print(kind, [new JsonObject()], Now);
            table["rows"]![0]!["cells"]!.AsArray().Count.Should().Be(table["columnDefinitions"]!.AsArray().Count, kind.Resource);
        }
    }

    private static KindInfo Kind(string resource) => BuiltInKinds.All.Single(k => k.Resource == resource);

    private static KindInfo Custom(params ColumnInfo[] columns) =>
        new()
        {
            Group = "demo.example.com",
            Version = "v1",
            Kind = "Widget",
            Plural = "widgets",
            Namespaced = true,
            IsCustom = true,
            Schema = new TypeSchema { Type = SchemaType.Object },
            Columns = columns,
        };

    private static JsonArray Row(string resource, string source) =>
        TablePrinter.Print(Kind(resource), [Parse(source)], Now)["rows"]![0]!["cells"]!.AsArray();

    private static string Cells(string resource, string source) => Row(resource, source).ToJsonString();

    private static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();
}
