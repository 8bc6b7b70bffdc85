using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>Server-side apply and field ownership.</summary>
public sealed class ApplyCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Apply_creates_and_then_changes(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var first = await Apply(api, ns, "m1", "\"a\":\"1\"");
        first.Code.Should().Be(201);
        var second = await Apply(api, ns, "m1", "\"a\":\"2\"");
        second.Code.Should().Be(200);
        ((string?)second.Body!["data"]!["a"]).Should().Be("2");
        var entry = second.Body["metadata"]!["managedFields"]!.AsArray().Single()!;
        ((string?)entry["manager"]).Should().Be("m1");
        ((string?)entry["operation"]).Should().Be("Apply");
        entry["fieldsV1"]!.ToJsonString().Should().Be("""{"f:data":{"f:a":{}}}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Apply_that_changes_nothing_keeps_the_version(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var first = await Apply(api, ns, "m1", "\"a\":\"1\"");
        var second = await Apply(api, ns, "m1", "\"a\":\"1\"");
        ((string?)second.Body!["metadata"]!["resourceVersion"]).Should().Be((string?)first.Body!["metadata"]!["resourceVersion"]);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Field_dropped_from_the_apply_is_removed(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await Apply(api, ns, "m1", "\"a\":\"1\",\"b\":\"2\"");
        var reply = await Apply(api, ns, "m1", "\"b\":\"2\"");
        reply.Body!["data"]!.ToJsonString().Should().Be("""{"b":"2"}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Field_dropped_from_the_apply_stays_if_another_manager_owns_it(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await Apply(api, ns, "m1", "\"a\":\"1\",\"b\":\"2\"");
        (await Apply(api, ns, "m2", "\"a\":\"1\"")).Code.Should().Be(200);
        var reply = await Apply(api, ns, "m1", "\"b\":\"2\"");
        ((string?)reply.Body!["data"]!["a"]).Should().Be("1");
        (await Apply(api, ns, "m2", "")).Body!["data"]!["a"].Should().BeNull();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Field_of_another_manager_conflicts(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await Apply(api, ns, "m1", "\"a\":\"1\"");
        var reply = await Apply(api, ns, "m2", "\"a\":\"2\"");
        reply.Code.Should().Be(409);
        reply.Reason.Should().Be("Conflict");
        reply.Message.Should().Be("Apply failed with 1 conflict: conflict with \"m1\": .data.a");
        var cause = reply.Body!["details"]!["causes"]![0]!;
        ((string?)cause["reason"]).Should().Be("FieldManagerConflict");
        ((string?)cause["field"]).Should().Be(".data.a");
        ((string?)cause["message"]).Should().Be("conflict with \"m1\"");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Several_conflicts_are_listed(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await Apply(api, ns, "m1", "\"a\":\"1\",\"b\":\"2\"");
        var reply = await Apply(api, ns, "m2", "\"a\":\"3\",\"b\":\"4\"");
        reply.Message.Should().Be("Apply failed with 2 conflicts: conflicts with \"m1\":\n- .data.a\n- .data.b");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Force_takes_over_the_field(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await Apply(api, ns, "m1", "\"a\":\"1\"");
        var reply = await Apply(api, ns, "m2", "\"a\":\"2\"", "&force=true");
        ((string?)reply.Body!["data"]!["a"]).Should().Be("2");
        reply.Body["metadata"]!["managedFields"]!.AsArray().Select(e => (string?)e!["manager"]).Should().Equal("m2");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Update_owns_what_it_wrote(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync($"{Deployments(ns)}?fieldManager=maker", Deployment("web"));
        await api.PatchAsync($"{Deployments(ns)}/web?fieldManager=scaler", """{"spec":{"replicas":5}}""");
        var reply = await api.PatchAsync(
            $"{Deployments(ns)}/web?fieldManager=applier",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
            "apply"
        );
        reply.Code.Should().Be(409);
        reply
            .Message.Should()
            .StartWith("Apply failed with 1 conflict: conflict with \"scaler\" using apps/v1")
            .And.EndWith(": .spec.replicas");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Scale_subresource_owns_replicas_by_name(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        await api.PatchAsync($"{Deployments(ns)}/web/scale?fieldManager=scaler", """{"spec":{"replicas":5}}""");
        var entry = (await api.GetAsync($"{Deployments(ns)}/web")).Body!["metadata"]!["managedFields"]!
            .AsArray()
            .Single(e => (string?)e!["manager"] == "scaler")!;
        ((string?)entry["subresource"]).Should().Be("scale");
        entry["fieldsV1"]!.ToJsonString().Should().Be("""{"f:spec":{"f:replicas":{}}}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Lists_that_are_maps_are_owned_item_by_item(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync($"{Deployments(ns)}?fieldManager=maker", Deployment("web"));
        var side =
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: side, image: 'side:1'}]}}}\n";
        var reply = await api.PatchAsync($"{Deployments(ns)}/web?fieldManager=injector", side, "apply");
        reply.Code.Should().Be(200, reply.Text);
        reply.Body!["spec"]!["template"]!["spec"]!["containers"]!.AsArray().Should().HaveCount(2);
        var entry = reply.Body["metadata"]!["managedFields"]!.AsArray().Single(e => (string?)e!["manager"] == "injector")!;
        entry["fieldsV1"]!
            .ToJsonString()
            .Should()
            .Be(
                """{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"side\"}":{".":{},"f:image":{},"f:name":{}}}}}}}""".Replace(
                    "\\\"",
                    "\\u0022"
                )
            );
        var gone = await api.PatchAsync(
            $"{Deployments(ns)}/web?fieldManager=injector",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {x: z}}\n",
            "apply"
        );
        gone.Code.Should().Be(200, gone.Text);
        gone.Body!["spec"]!["template"]!["spec"]!["containers"]!.AsArray().Select(c => (string?)c!["name"]).Should().Equal("main");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Finalizers_are_owned_as_a_set(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        string Config(string finalizer) => $"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, finalizers: [{finalizer}]}}\n";
        await api.PatchAsync($"{ConfigMaps(ns)}/x?fieldManager=m1", Config("example.dev/a"), "apply");
        var reply = await api.PatchAsync($"{ConfigMaps(ns)}/x?fieldManager=m2", Config("example.dev/b"), "apply");
        reply.Body!["metadata"]!["finalizers"]!.AsArray().Select(f => (string?)f).Should().BeEquivalentTo("example.dev/a", "example.dev/b");
        await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"finalizers":null}}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Status_is_applied_by_a_manager_of_its_own(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var reply = await api.PatchAsync(
            $"{Jobs(ns)}/x/status?fieldManager=m1",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nstatus: {active: 3}\n",
            "apply"
        );
        reply.Code.Should().Be(200, reply.Text);
        ((long?)reply.Body!["status"]!["active"]).Should().Be(3);
        ((string?)reply.Body["metadata"]!["managedFields"]!.AsArray().Single(e => (string?)e!["manager"] == "m1")!["subresource"])
            .Should()
            .Be("status");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Apply_needs_a_manager(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.PatchAsync($"{ConfigMaps(ns)}/x", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "apply");
        reply.Code.Should().Be(422);
        reply.Message.Should().Contain("fieldManager: Required value: is required for apply patch");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Apply_without_a_kind_is_400(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        (await api.PatchAsync($"{ConfigMaps(ns)}/x?fieldManager=m", "metadata: {name: x}\n", "apply")).Code.Should().Be(400);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Force_belongs_to_apply_alone(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        (await api.PatchAsync($"{ConfigMaps(ns)}/x?force=true", "{}")).Code.Should().Be(422);
    }

    private static Task<Reply> Apply(ApiServerUnderTest api, string ns, string manager, string data, string query = "") =>
        api.PatchAsync($"{ConfigMaps(ns)}/x?fieldManager={manager}{query}", ConfigMap("x", data), "apply");
}
