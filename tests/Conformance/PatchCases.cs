using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>JSON patch, merge patch, strategic merge patch, scale.</summary>
public sealed class PatchCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Json_patch_whose_test_succeeds_is_applied(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var reply = await api.PatchAsync(
            $"{Jobs(ns)}/x",
            """[{"op":"test","path":"/spec/suspend","value":false},{"op":"replace","path":"/spec/suspend","value":true}]""",
            "json"
        );
        reply.Code.Should().Be(200);
        ((bool?)reply.Body!["spec"]!["suspend"]).Should().BeTrue();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Json_patch_whose_test_fails_changes_nothing(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var reply = await api.PatchAsync(
            $"{Jobs(ns)}/x",
            """[{"op":"test","path":"/spec/suspend","value":true},{"op":"replace","path":"/spec/suspend","value":true}]""",
            "json"
        );
        reply.Code.Should().Be(422);
        reply.Reason.Should().Be("Invalid");
        reply.Message.Should().Be("the server rejected our request due to an error in our request");
        ((bool?)(await api.GetAsync($"{Jobs(ns)}/x")).Body!["spec"]!["suspend"]).Should().BeFalse();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Json_patch_adds_moves_copies_and_removes(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x", "\"a\":\"1\",\"b\":\"2\""));
        var reply = await api.PatchAsync(
            $"{ConfigMaps(ns)}/x",
            """[{"op":"add","path":"/metadata/labels","value":{"x~y":"z"}},{"op":"remove","path":"/metadata/labels/x~0y"},{"op":"copy","from":"/data/a","path":"/data/c"},{"op":"move","from":"/data/b","path":"/data/d"},{"op":"remove","path":"/data/a"}]""",
            "json"
        );
        reply.Code.Should().Be(200, reply.Text);
        reply.Body!["data"]!.ToJsonString().Should().Be("""{"c":"1","d":"2"}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Json_patch_may_replace_but_not_remove_what_is_missing(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        (await api.PatchAsync($"{ConfigMaps(ns)}/x", """[{"op":"remove","path":"/data/zzz"}]""", "json")).Code.Should().Be(422);
        (await api.PatchAsync($"{ConfigMaps(ns)}/x", """[{"op":"replace","path":"/data/zzz","value":"1"}]""", "json"))
            .Code.Should()
            .Be(200);
        (await api.PatchAsync($"{ConfigMaps(ns)}/x", """[{"op":"replace","path":"/none/zzz","value":"1"}]""", "json"))
            .Code.Should()
            .Be(422);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Merge_patch_merges_and_null_removes(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x", "\"a\":\"1\",\"b\":\"2\""));
        var reply = await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"data":{"a":null,"c":"3"}}""");
        reply.Body!["data"]!.ToJsonString().Should().Be("""{"b":"2","c":"3"}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Merge_patch_at_an_old_version_conflicts(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var old = (string)(await api.PostAsync(ConfigMaps(ns), ConfigMap("x"))).Body!["metadata"]!["resourceVersion"]!;
        await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"data":{"a":"2"}}""");
        var reply = await api.PatchAsync($"{ConfigMaps(ns)}/x", $$$"""{"metadata":{"resourceVersion":"{{{old}}}"},"data":{"a":"3"}}""");
        reply.Code.Should().Be(409);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Strategic_patch_merges_lists_by_their_key(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        var reply = await api.PatchAsync(
            $"{Deployments(ns)}/web",
            """{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"app:2","env":[{"name":"A","value":"1"}]},{"name":"side","image":"side:1"}]}}}}""",
            "strategic"
        );
        reply.Code.Should().Be(200, reply.Text);
        var containers = reply.Body!["spec"]!["template"]!["spec"]!["containers"]!.AsArray();
        containers.Select(c => (string?)c!["name"] + "=" + (string?)c["image"]).Should().BeEquivalentTo("main=app:2", "side=side:1");
        var removed = await api.PatchAsync(
            $"{Deployments(ns)}/web",
            """{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}""",
            "strategic"
        );
        removed.Body!["spec"]!["template"]!["spec"]!["containers"]!.AsArray().Should().ContainSingle();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Strategic_patch_can_retain_keys_and_replace(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        var reply = await api.PatchAsync(
            $"{Deployments(ns)}/web",
            """{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}""",
            "strategic"
        );
        reply.Code.Should().Be(200, reply.Text);
        reply.Body!["spec"]!["strategy"]!.ToJsonString().Should().Be("""{"type":"Recreate"}""");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Strategic_patch_treats_finalizers_as_a_set(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x", metadata: ""","finalizers":["example.dev/a"]"""));
        var reply = await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"finalizers":["example.dev/b"]}}""", "strategic");
        reply.Body!["metadata"]!["finalizers"]!.AsArray().Select(f => (string?)f).Should().BeEquivalentTo("example.dev/a", "example.dev/b");
        var less = await api.PatchAsync(
            $"{ConfigMaps(ns)}/x",
            """{"metadata":{"$deleteFromPrimitiveList/finalizers":["example.dev/a"]}}""",
            "strategic"
        );
        less.Body!["metadata"]!["finalizers"]!.AsArray().Select(f => (string?)f).Should().BeEquivalentTo("example.dev/b");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Patch_of_a_missing_object_is_404(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        (await api.PatchAsync($"{ConfigMaps(ns)}/x", "{}")).Code.Should().Be(404);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Patch_of_unknown_type_is_415(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        (await api.SendAsync(HttpMethod.Patch, $"{ConfigMaps(ns)}/x", "{}")).Code.Should().Be(415);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Scale_shows_and_sets_replicas(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        var scale = await api.GetAsync($"{Deployments(ns)}/web/scale");
        ((string?)scale.Body!["kind"]).Should().Be("Scale");
        ((string?)scale.Body["apiVersion"]).Should().Be("autoscaling/v1");
        ((long?)scale.Body["spec"]!["replicas"]).Should().Be(2);
        ((string?)scale.Body["status"]!["selector"]).Should().Be("app=web");
        scale.Body["spec"]!["replicas"] = 5;
        ((long?)(await api.PutAsync($"{Deployments(ns)}/web/scale", scale.Body.ToJsonString())).Body!["spec"]!["replicas"]).Should().Be(5);
        (await api.PutAsync($"{Deployments(ns)}/web/scale", scale.Body.ToJsonString())).Code.Should().Be(409);
        ((long?)(await api.PatchAsync($"{Deployments(ns)}/web/scale", """{"spec":{"replicas":0}}""")).Body!["spec"]!["replicas"] ?? 0)
            .Should()
            .Be(0);
        ((long?)(await api.GetAsync($"{Deployments(ns)}/web")).Body!["spec"]!["replicas"]).Should().Be(0);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Json_patch_of_the_scale_is_applied_only_if_its_test_succeeds(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        (
            await api.PatchAsync(
                $"{Deployments(ns)}/web/scale",
                """[{"op":"test","path":"/spec/replicas","value":3},{"op":"replace","path":"/spec/replicas","value":1}]""",
                "json"
            )
        )
            .Code.Should()
            .Be(422);
        (
            await api.PatchAsync(
                $"{Deployments(ns)}/web/scale",
                """[{"op":"test","path":"/spec/replicas","value":2},{"op":"replace","path":"/spec/replicas","value":1}]""",
                "json"
            )
        )
            .Code.Should()
            .Be(200);
        ((long?)(await api.GetAsync($"{Deployments(ns)}/web")).Body!["spec"]!["replicas"]).Should().Be(1);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Negative_scale_is_invalid(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        (await api.PatchAsync($"{Deployments(ns)}/web/scale", """{"spec":{"replicas":-1}}""")).Code.Should().Be(422);
    }
}
