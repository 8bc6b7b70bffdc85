using System.Text.Json.Nodes;
using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>CRDs: served when established, validated, defaulted, pruned, scaled, gone with their objects.</summary>
public sealed class CustomResourceCases(EveryApiServer servers) : ApiCase(servers)
{
    private const string Crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private static readonly Dictionary<string, string> Defined = [];
    private static int _last;

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Definition_is_established_and_served(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var crd = (await api.GetAsync($"{Crds}/widgets.{group}")).Body!;
        crd["status"]!["conditions"]!
            .AsArray()
            .Select(c => $"{c!["type"]}={c["status"]}")
            .Should()
            .Contain(["NamesAccepted=True", "Established=True"]);
        crd["status"]!["storedVersions"]!.ToJsonString().Should().Be("[\"v1\"]");
        ((string?)crd["spec"]!["names"]!["listKind"]).Should().Be("WidgetList");
        var created = await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        created.Code.Should().Be(201, created.Text);
        ((string?)(await api.GetAsync(Widgets(group, ns))).Body!["kind"]).Should().Be("WidgetList");
        ((long?)created.Body!["metadata"]!["generation"]).Should().Be(1);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Custom_kind_is_discovered(string server)
    {
        var (api, _, group) = await DefineAsync(server);
        var resources = await api.UntilAsync($"/apis/{group}/v1", r => r.Code == 200);
        var names = resources.Body!["resources"]!.AsArray().Select(r => (string?)r!["name"]);
        names.Should().BeEquivalentTo("widgets", "widgets/status", "widgets/scale");
        var aggregated = await api.UntilAsync("/apis", r => r.Text.Contains(group, StringComparison.Ordinal));
        aggregated.Code.Should().Be(200);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Defaults_are_filled_and_unknown_fields_pruned(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var reply = await api.PostAsync(
            $"{Widgets(group, ns)}?fieldValidation=Ignore",
            Widget(group, "w", "\"size\":3,\"nonsense\":{\"a\":1},\"free\":{\"any\":{\"thing\":1}}")
        );
        reply.Code.Should().Be(201, reply.Text);
        var spec = reply.Body!["spec"]!;
        ((string?)spec["mode"]).Should().Be("A");
        spec["nonsense"].Should().BeNull();
        ((long?)spec["free"]!["any"]!["thing"]).Should().Be(1);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Strict_create_refuses_unknown_fields(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var strict = await api.PostAsync($"{Widgets(group, ns)}?fieldValidation=Strict", Widget(group, "w", "\"size\":3,\"nonsense\":1"));
        strict.Code.Should().Be(400);
        strict.Message.Should().Contain("strict decoding error: unknown field \"spec.nonsense\"");
        var warned = await api.PostAsync($"{Widgets(group, ns)}?fieldValidation=Warn", Widget(group, "w", "\"size\":3,\"nonsense\":1"));
        warned.Code.Should().Be(201);
        warned.Warnings.Should().ContainSingle().Which.Should().Be("299 - \"unknown field \\\"spec.nonsense\\\"\"");
    }

    [SkippableTheory]
    [InlineData("size\":0", "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1")]
    [InlineData("size\":11", "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10")]
    [InlineData("size\":\"big\"", "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"")]
    [InlineData("mode\":\"A\"", "spec.size: Required value")]
    [InlineData("size\":1,\"mode\":\"C\"", "spec.mode: Unsupported value: \"C\": supported values: \"A\", \"B\"")]
    [InlineData("size\":1,\"cost\":\"x\"", "spec.cost: Invalid value: \"x\": spec.cost in body should match '^[0-9]+$'")]
    [InlineData("size\":1,\"cost\":\"123456789\"", "spec.cost: Too long: may not be more than 6 bytes")]
    [InlineData(
        "size\":1,\"parts\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]",
        "spec.parts: Too many: 3: must have at most 2 items"
    )]
    [InlineData("size\":1,\"parts\":[{\"name\":\"a\"},{\"name\":\"a\"}]", "spec.parts[1]: Duplicate value: {\"name\":\"a\"}")]
    [InlineData("size\":1,\"parts\":[{}]", "spec.parts[0].name: Required value")]
    [InlineData("size\":1,\"code\":\"\"", "is invalid: spec.code: Invalid value: \"\": spec.code in body should be at least 1 chars long")]
    [InlineData(
        "size\":1,\"start\":\"2026-01-01\"",
        "spec.start: Invalid value: \"2026-01-01\": spec.start in body must be of type date-time: \"2026-01-01\", <nil>: Invalid value: null: some validation rules were not checked"
    )]
    [InlineData("size\":1,\"start\":\"2026-02-30T10:00:00Z\"", "spec.start in body must be of type date-time")]
    [InlineData("size\":1,\"start\":\"2026-02-20T24:00:00Z\"", "spec.start in body must be of type date-time")]
    [InlineData("size\":1,\"start\":\"2026-02-20T10:00:00\"", "spec.start in body must be of type date-time")]
    [InlineData(
        "size\":1,\"day\":\"2026-02-30\"",
        "spec.day: Invalid value: \"2026-02-30\": spec.day in body must be of type date: \"2026-02-30\""
    )]
    public async Task Each_rule_of_the_schema_is_kept(string field, string message)
    {
        foreach (var server in (string[])[EveryApiServer.SandboxName, EveryApiServer.RealName])
        {
            var (api, ns, group) = await DefineAsync(server);
            var reply = await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"" + field));
            reply.Code.Should().Be(422, $"{server}: {reply.Text}");
            reply.Message.Should().Contain(message, server).And.StartWith($"Widget.{group} \"w\" is invalid: ");
        }
    }

    [SkippableTheory]
    [InlineData("start", "2026-01-01t10:00:00z")]
    [InlineData("start", "2026-01-01T10:00:00.123456789+02:00")]
    [InlineData("day", "2026-02-28")]
    public async Task Time_in_each_form_is_accepted(string field, string time)
    {
        foreach (var server in (string[])[EveryApiServer.SandboxName, EveryApiServer.RealName])
        {
            var (api, ns, group) = await DefineAsync(server);
            var reply = await api.PostAsync(Widgets(group, ns), Widget(group, "w", $"\"size\":1,\"{field}\":\"{time}\""));
            reply.Code.Should().Be(201, $"{server}: {reply.Text}");
        }
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Status_and_spec_are_apart(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var path = $"{Widgets(group, ns)}/w";
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        (await api.PatchAsync(path, """{"status":{"replicas":4}}""")).Body!["status"].Should().BeNull();
        var status = await api.PatchAsync($"{path}/status", """{"spec":{"size":9},"status":{"replicas":4}}""");
        ((long?)status.Body!["status"]!["replicas"]).Should().Be(4);
        ((long?)status.Body["spec"]!["size"]).Should().Be(3);
        ((long?)status.Body["metadata"]!["generation"]).Should().Be(1);
        ((long?)(await api.PatchAsync(path, """{"spec":{"size":4}}""")).Body!["metadata"]!["generation"]).Should().Be(2);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Custom_kind_scales(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var path = $"{Widgets(group, ns)}/w/scale";
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3,\"replicas\":2"));
        ((long?)(await api.GetAsync(path)).Body!["spec"]!["replicas"]).Should().Be(2);
        ((long?)(await api.PatchAsync(path, """{"spec":{"replicas":6}}""")).Body!["spec"]!["replicas"]).Should().Be(6);
        ((long?)(await api.GetAsync($"{Widgets(group, ns)}/w")).Body!["spec"]!["replicas"]).Should().Be(6);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Printer_columns_make_the_table(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        var table = (await api.GetAsync(Widgets(group, ns), "application/json;as=Table;v=v1;g=meta.k8s.io")).Body!;
        table["columnDefinitions"]!.AsArray().Select(c => (string?)c!["name"]).Should().Equal("Name", "Size");
        table["rows"]![0]!["cells"]!.ToJsonString().Should().Be("[\"w\",3]");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Custom_kind_knows_no_strategic_patch(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        (await api.PatchAsync($"{Widgets(group, ns)}/w", "{}", "strategic")).Code.Should().Be(415);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Lists_with_keys_are_applied_item_by_item(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var path = $"{Widgets(group, ns)}/w";
        await api.PatchAsync($"{path}?fieldManager=m1", Widget(group, "w", "\"size\":3,\"parts\":[{\"name\":\"a\",\"count\":1}]"), "apply");
        var both = await api.PatchAsync(
            $"{path}?fieldManager=m2",
            Widget(group, "w", "\"size\":3,\"parts\":[{\"name\":\"b\",\"count\":2}]"),
            "apply"
        );
        both.Code.Should().Be(200, both.Text);
        both.Body!["spec"]!["parts"]!.AsArray().Select(p => (string?)p!["name"]).Should().Equal("a", "b");
        var clash = await api.PatchAsync(
            $"{path}?fieldManager=m2",
            Widget(group, "w", "\"size\":3,\"parts\":[{\"name\":\"a\",\"count\":5}]"),
            "apply"
        );
        clash.Code.Should().Be(409);
        clash.Message.Should().Be("Apply failed with 1 conflict: conflict with \"m1\": .spec.parts[name=\"a\"].count");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Cel_rules_are_judged(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        var reply = await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3,\"mode\":\"B\""));
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("B must be small");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Invalid_definition_is_refused(string server)
    {
        var api = await On(server);
        var reply = await api.PostAsync(
            Crds,
            """{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"wrong.example.dev"},"spec":{"group":"example.dev","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}"""
        );
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("metadata.name: Invalid value: \"wrong.example.dev\": must be spec.names.plural+\".\"+spec.group");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Deletion_of_a_definition_deletes_its_objects(string server)
    {
        var (api, ns, group) = await DefineAsync(server, own: true);
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        (await api.DeleteAsync($"{Crds}/widgets.{group}")).Code.Should().Be(200);
        await api.UntilAsync($"{Crds}/widgets.{group}", r => r.Code == 404, seconds: 40);
        await api.UntilAsync(Widgets(group, ns), r => r.Code == 404, seconds: 40);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Two_versions_show_the_same_object(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        var other = await api.UntilAsync($"/apis/{group}/v1alpha1/namespaces/{ns}/widgets/w", r => r.Code == 200);
        ((string?)other.Body!["apiVersion"]).Should().Be($"{group}/v1alpha1");
        ((long?)other.Body["spec"]!["size"]).Should().Be(3);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Watch_from_a_forgotten_version_is_expired(string server)
    {
        var (api, ns, group) = await DefineAsync(server);
        await api.PostAsync(Widgets(group, ns), Widget(group, "w", "\"size\":3"));
        using var watch = await api.WatchAsync($"{Widgets(group, ns)}?resourceVersion=1");
        watch.Code.Should().Be(200, "the refusal comes as a line");
        var line = await watch.NextAsync();
        line!.Value.Type.Should().Be("ERROR");
        ((long?)line.Value.Object["code"]).Should().Be(410);
        ((string?)line.Value.Object["reason"]).Should().Be("Expired");
        ((string?)line.Value.Object["message"]).Should().StartWith("too old resource version: 1 (");
    }

    private static string Widgets(string group, string ns) => $"/apis/{group}/v1/namespaces/{ns}/widgets";

    private static string Widget(string group, string name, string spec) =>
        """
            {"apiVersion":"GROUP/v1","kind":"Widget","metadata":{"name":"NAME"},"spec":{SPEC}}
            """.Replace("GROUP", group).Replace("NAME", name).Replace("SPEC", spec);

    /// <summary>The definition the cases share, or one of a case's own where it is to be deleted.</summary>
    private async Task<(ApiServerUnderTest Api, string Namespace, string Group)> DefineAsync(string server, bool own = false)
    {
        var api = await On(server);
        if (!own && Defined.TryGetValue(server, out var defined))
        {
            return (api, await api.NamespaceAsync(), defined);
        }

        var group = $"case{Interlocked.Increment(ref _last)}-{Environment.ProcessId}.example.dev";
        var schema = """
            {"type":"object","properties":{"spec":{"type":"object","required":["size"],
            "x-kubernetes-validations":[{"rule":"!(has(self.mode) && self.mode == 'B' && self.size > 2)","message":"B must be small"}],
            "properties":{"size":{"type":"integer","minimum":1,"maximum":10},
            "mode":{"type":"string","enum":["A","B"],"default":"A"},"cost":{"type":"string","pattern":"^[0-9]+$","maxLength":6},"replicas":{"type":"integer"},
            "code":{"type":"string","minLength":1,"pattern":"^[a-z]+$"},"start":{"type":"string","format":"date-time"},"day":{"type":"string","format":"date"},
            "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
            "parts":{"type":"array","maxItems":2,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
            "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"count":{"type":"integer"}}}}}},
            "status":{"type":"object","properties":{"replicas":{"type":"integer"}}}}}
            """;
        var version = """
            {"name":"VERSION","served":true,"storage":STORAGE,"schema":{"openAPIV3Schema":SCHEMA},
            "subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
            "additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"}]}
            """;
        var crd = """
            {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.GROUP"},
            "spec":{"group":"GROUP","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[VERSIONS]}}
            """.Replace(
            "VERSIONS",
            version.Replace("VERSION", "v1").Replace("STORAGE", "true")
                + ","
                + version.Replace("VERSION", "v1alpha1").Replace("STORAGE", "false")
        ).Replace("SCHEMA", schema).Replace("GROUP", group);
        var reply = await api.PostAsync(Crds, crd);
        reply.Code.Should().Be(201, reply.Text);
        await api.UntilAsync($"{Crds}/widgets.{group}", r =>
            r.Body!["status"]?["conditions"] is JsonArray c
            && c.Any(x => (string?)x!["type"] == "Established" && (string?)x["status"] == "True")
        );
        var ns = await api.NamespaceAsync();
        await api.UntilAsync($"/apis/{group}/v1/namespaces/{ns}/widgets", r => r.Code == 200);
        if (!own)
        {
            Defined[server] = group;
        }

        return (api, ns, group);
    }
}
