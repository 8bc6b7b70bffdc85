using System.Text.Json.Nodes;
using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>Lists, selectors, paging, watches.</summary>
public sealed class ListWatchCases(EveryApiServer servers) : ApiCase(servers)
{
    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task List_has_its_kind_version_and_items_in_order(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        foreach (var name in (string[])["c", "a", "b"])
        {
            await api.PostAsync(ConfigMaps(ns), ConfigMap(name));
        }

        var reply = await api.GetAsync(ConfigMaps(ns));
        ((string?)reply.Body!["kind"]).Should().Be("ConfigMapList");
        ((string?)reply.Body["apiVersion"]).Should().Be("v1");
        long.Parse((string)reply.Body["metadata"]!["resourceVersion"]!).Should().BePositive();
        Names(reply).Should().Equal("a", "b", "c");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Label_selectors_choose(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(ConfigMaps(ns), ConfigMap("a", metadata: ""","labels":{"team":"x","n":"1"}"""));
        await api.PostAsync(ConfigMaps(ns), ConfigMap("b", metadata: ""","labels":{"team":"y"}"""));
        await api.PostAsync(ConfigMaps(ns), ConfigMap("c"));
        foreach (
            var (selector, expected) in ((string, string[])[])
                [
                    ("team=x", ["a"]),
                    ("team==y", ["b"]),
                    ("team!=x", ["b", "c"]),
                    ("team in (x,y)", ["a", "b"]),
                    ("team notin (x)", ["b", "c"]),
                    ("team", ["a", "b"]),
                    ("!team", ["c"]),
                    ("team=x,n=1", ["a"]),
                    ("n>0", ["a"]),
                ]
        )
        {
            Names(await api.GetAsync($"{ConfigMaps(ns)}?labelSelector={Uri.EscapeDataString(selector)}"))
                .Where(n => n != "kube-root-ca.crt")
                .Should()
                .Equal(expected, selector);
        }

        (await api.GetAsync($"{ConfigMaps(ns)}?labelSelector={Uri.EscapeDataString("a in (")}")).Code.Should().Be(400);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Field_selectors_choose(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Pods(ns), Pod("p", "\"nodeName\":\"n1\","));
        await api.PostAsync(Pods(ns), Pod("q"));
        Names(await api.GetAsync($"{Pods(ns)}?fieldSelector=metadata.name%3Dq")).Should().Equal("q");
        Names(await api.GetAsync($"{Pods(ns)}?fieldSelector=spec.nodeName%3Dn1")).Should().Equal("p");
        Names(await api.GetAsync($"{Pods(ns)}?fieldSelector=spec.nodeName%3D")).Should().Equal("q");
        Names(await api.GetAsync($"{Pods(ns)}?fieldSelector=status.phase!%3DPending")).Should().BeEmpty();
        Names(await api.GetAsync($"/api/v1/pods?fieldSelector=metadata.namespace%3D{ns}")).Should().Equal("p", "q");
        (await api.GetAsync($"{Pods(ns)}?fieldSelector=spec.nonsense%3D1")).Code.Should().Be(400);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Pages_show_one_moment(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        for (var i = 0; i < 5; i++)
        {
            await api.PostAsync(Jobs(ns), Job($"j{i}"));
        }

        var first = await api.GetAsync($"{Jobs(ns)}?limit=2");
        Names(first).Should().Equal("j0", "j1");
        ((long?)first.Body!["metadata"]!["remainingItemCount"]).Should().Be(3);
        await api.DeleteAsync($"{Jobs(ns)}/j3", """{"propagationPolicy":"Background"}""");
        var token = Uri.EscapeDataString((string)first.Body["metadata"]!["continue"]!);
        var second = await api.GetAsync($"{Jobs(ns)}?limit=2&continue={token}");
        Names(second).Should().Equal("j2", "j3");
        ((string?)second.Body!["metadata"]!["resourceVersion"]).Should().Be((string?)first.Body["metadata"]!["resourceVersion"]);
        token = Uri.EscapeDataString((string)second.Body["metadata"]!["continue"]!);
        var third = await api.GetAsync($"{Jobs(ns)}?limit=2&continue={token}");
        Names(third).Should().Equal("j4");
        third.Body!["metadata"]!["continue"].Should().BeNull();
        (await api.GetAsync($"{Jobs(ns)}?limit=2&continue=nonsense")).Code.Should().Be(400);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Watch_reports_every_change_after_its_version(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("old"));
        var version = (string)(await api.GetAsync(Jobs(ns))).Body!["metadata"]!["resourceVersion"]!;
        using var watch = await api.WatchAsync($"{Jobs(ns)}?resourceVersion={version}");
        await api.PostAsync(Jobs(ns), Job("x"));
        await api.PatchAsync($"{Jobs(ns)}/x", """{"spec":{"suspend":true}}""");
        await api.DeleteAsync($"{Jobs(ns)}/x", """{"propagationPolicy":"Background"}""");
        var added = await watch.NextChangeAsync();
        var modified = await watch.NextChangeAsync();
        var deleted = await watch.NextChangeAsync();
        (added.Type, modified.Type, deleted.Type).Should().Be(("ADDED", "MODIFIED", "DELETED"));
        ((string?)added.Object["metadata"]!["name"]).Should().Be("x");
        ((bool?)modified.Object["spec"]!["suspend"]).Should().BeTrue();
        Version(deleted.Object).Should().BeGreaterThan(Version(modified.Object));
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Watch_without_a_version_begins_with_what_is_there(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("a"));
        await api.PostAsync(Jobs(ns), Job("b"));
        using var watch = await api.WatchAsync(Jobs(ns));
        var seen = new[] { await watch.NextChangeAsync(), await watch.NextChangeAsync() };
        seen.Select(s => s.Type + " " + (string?)s.Object["metadata"]!["name"]).Should().BeEquivalentTo("ADDED a", "ADDED b");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Object_that_leaves_the_selection_is_deleted_from_the_watch(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var version = (string)(await api.GetAsync(ConfigMaps(ns))).Body!["metadata"]!["resourceVersion"]!;
        using var watch = await api.WatchAsync($"{ConfigMaps(ns)}?resourceVersion={version}&labelSelector=on%3Dyes");
        await api.PostAsync(ConfigMaps(ns), ConfigMap("x"));
        await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"labels":{"on":"yes"}}}""");
        await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"data":{"b":"2"}}""");
        var left = await api.PatchAsync($"{ConfigMaps(ns)}/x", """{"metadata":{"labels":{"on":"no"}}}""");
        (await watch.NextChangeAsync()).Type.Should().Be("ADDED");
        (await watch.NextChangeAsync()).Type.Should().Be("MODIFIED");
        var gone = await watch.NextChangeAsync();
        gone.Type.Should().Be("DELETED");
        Version(gone.Object).Should().Be(Version(left.Body!));
        ((string?)gone.Object["metadata"]!["labels"]!["on"]).Should().Be("yes", "an object that left is shown as it was while it was in");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Streaming_list_ends_with_a_bookmark(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("a"));
        using var watch = await api.WatchAsync(
            $"{Jobs(ns)}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        );
        var added = await watch.NextAsync();
        added!.Value.Type.Should().Be("ADDED");
        var end = await watch.NextAsync();
        end!.Value.Type.Should().Be("BOOKMARK");
        ((string?)end.Value.Object["metadata"]!["annotations"]!["k8s.io/initial-events-end"]).Should().Be("true");
        ((string?)end.Value.Object["kind"]).Should().Be("Job");
        Version(end.Value.Object).Should().BeGreaterOrEqualTo(Version(added.Value.Object));
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Streaming_list_without_a_version_match_is_rejected(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        using var watch = await api.WatchAsync($"{Jobs(ns)}?sendInitialEvents=true&allowWatchBookmarks=true");
        watch.Code.Should().Be(422);
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Watch_ends_at_its_timeout(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var version = (string)(await api.GetAsync(ConfigMaps(ns))).Body!["metadata"]!["resourceVersion"]!;
        using var watch = await api.WatchAsync($"/api/v1/namespaces/{ns}/secrets?resourceVersion={version}&timeoutSeconds=1");
        (await watch.NextAsync(20)).Should().BeNull();
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Watch_of_one_object_sees_that_object_only(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        using var watch = await api.WatchAsync($"{Jobs(ns)}?fieldSelector=metadata.name%3Db");
        await api.PostAsync(Jobs(ns), Job("a"));
        await api.PostAsync(Jobs(ns), Job("b"));
        ((string?)(await watch.NextChangeAsync()).Object["metadata"]!["name"]).Should().Be("b");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Version_from_the_future_times_out(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        var reply = await api.GetAsync($"{ConfigMaps(ns)}?resourceVersion=999999999&resourceVersionMatch=NotOlderThan");
        reply.Code.Should().Be(504);
        reply.Message.Should().Contain("Too large resource version");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Tables_have_columns_and_rows(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Deployments(ns), Deployment("web"));
        var table = (await api.GetAsync(Deployments(ns), "application/json;as=Table;v=v1;g=meta.k8s.io")).Body!;
        ((string?)table["kind"]).Should().Be("Table");
        table["columnDefinitions"]!
            .AsArray()
            .Where(c => (long)c!["priority"]! == 0)
            .Select(c => (string?)c!["name"])
            .Should()
            .Equal("Name", "Ready", "Up-to-date", "Available", "Age");
        table["rows"]![0]!["cells"]!.AsArray().Take(4).Select(c => c!.ToJsonString()).Should().Equal("\"web\"", "\"0/2\"", "0", "0");
        ((string?)table["rows"]![0]!["object"]!["kind"]).Should().Be("PartialObjectMetadata");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Metadata_can_be_requested_alone(string server)
    {
        var api = await On(server);
        var ns = await api.NamespaceAsync();
        await api.PostAsync(Jobs(ns), Job("x"));
        var list = (await api.GetAsync(Jobs(ns), "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")).Body!;
        ((string?)list["kind"]).Should().Be("PartialObjectMetadataList");
        list["items"]![0]!["spec"].Should().BeNull();
        var one = (await api.GetAsync($"{Jobs(ns)}/x", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")).Body!;
        ((string?)one["kind"]).Should().Be("PartialObjectMetadata");
        ((string?)one["metadata"]!["name"]).Should().Be("x");
    }

    private static IEnumerable<string> Names(Reply list) =>
        list.Body!["items"]!.AsArray().Select(i => (string)i!["metadata"]!["name"]!).Where(n => n != "kube-root-ca.crt");

    private static long Version(JsonNode obj) => long.Parse((string)obj["metadata"]!["resourceVersion"]!);
}
