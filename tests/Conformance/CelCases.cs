using System.Text.Json.Nodes;
using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>The CEL rules of CRDs: the values of expressions, the messages of refusals, the comparison with the previous object.</summary>
public sealed class CelCases(EveryApiServer servers) : ApiCase(servers)
{
    private const string Crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private static readonly Dictionary<(string Server, string Name), string> Defined = [];
    private static int _last;

    /// <summary>Expressions that are true of <see cref="Sample"/>, by the library they try.</summary>
    private static readonly (string Library, string[] Expressions)[] Cases =
    [
        (
            "fields",
            [
                "has(self.num) && self.num == 5",
                "!has(self.missing)",
                "has(self.empty)",
                "has(self.none) && size(self.none) == 0",
                "has(self.zero) && self.zero == 0",
                "has(self.off) && !self.off",
                "has(self.blank) && self.blank == ''",
                "!has(self.nothing)",
                "has(self.inner.name) && self.inner.name == 'a'",
                "!has(self.inner.value)",
                "self.labels['a/b'] == 'x'",
                "has(self.labels.c)",
                "self.with__dash__dash == 'd'",
                "self.__namespace__ == 'n'",
                "self.amount == '2'",
                "self.share == 0.5",
                "type(self.share) == double",
                "self.inner == self.inner",
                "self.empty != null",
            ]
        ),
        (
            "operators",
            [
                "self.num > 4 && self.num % 2 == 1",
                "self.num > 4.5 && self.share < 1",
                "-self.num == -5 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1",
                "self.num - 2 * 3 == -1",
                "(self.num - 2) * 3 == 9",
                "self.num == 5 ? true : false",
                "self.num in [1, 5] && !(self.num in [2])",
                "'a/b' in self.labels && !('z' in self.labels)",
                "1u + 2u == 3u && 0x1F == 31",
                "1.5 + 1.5 == 3.0 && 1e3 == 1000.0",
                "[1, 2] + [3] == [1, 2, 3] && [1] != [2]",
                "{'a': 1} == {'a': 1} && {'a': 1}['a'] == 1",
                "'a' + \"b\" == 'ab' && r'a\\d' == 'a\\\\d' && '''x''' == 'x'",
                "b'abc' == bytes('abc') && size(b'\\xff') == 1",
                "'\\u00e4' == 'ä'",
                "self.list[0] == 3 && self.list[2] == 2",
                "dyn(1) == 1.0 && dyn(1) == dyn(1u)",
                "'b' > 'a' && true > false",
                "null == null",
            ]
        ),
        (
            "errors",
            [
                "true || self.list[9] == 1",
                "self.list[9] == 1 || true",
                "!(self.list[9] == 1 && false)",
                "self.items.exists(i, i.value > 0 || i.name == 'b')",
                "!self.items.all(i, i.value > 0 && i.name == 'b')",
                "self.list.exists(i, self.items.map(i, i.value).size() == 0 || i == 3)",
            ]
        ),
        (
            "macros",
            [
                "self.list.all(x, x > 0) && !self.list.all(x, x > 1)",
                "self.list.exists(x, x == 2)",
                "self.list.exists_one(x, x > 2)",
                "self.list.map(x, x * 2) == [6, 2, 4]",
                "self.list.map(x, x > 1, x * 2) == [6, 4]",
                "self.list.filter(x, x > 1) == [3, 2]",
                "self.labels.all(k, self.labels[k] != '')",
                "self.labels.exists(k, k == 'c')",
                "self.items.all(i, !has(i.value) || i.value > 0)",
                "[1, 2].all(x, [3].exists(y, y > x))",
                "self.list.all(i, x, i < 3 && x > 0) && self.list.existsOne(i, x, i == 0)",
                "self.labels.exists(k, v, v == 'y')",
                "['a', 'b'].transformList(i, v, v + 'x') == ['ax', 'bx']",
                "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
            ]
        ),
        (
            "conversions",
            [
                "string(self.num) == '5' && int('12') == 12 && double('1.5') == 1.5 && int(2.9) == 2",
                "uint(5) == 5u && string(true) == 'true' && string(1.5) == '1.5' && bool('true')",
                "type(self.num) == int && type('a') == string && type([1]) == list",
                "int(timestamp('1970-01-01T00:01:00Z')) == 60",
                "string(bytes('a')) == 'a'",
                "int('-5') == -5",
            ]
        ),
        (
            "times",
            [
                "self.length == duration('90m') && self.length.getMinutes() == 90 && self.length.getHours() == 1",
                "self.start < timestamp('2026-02-01T00:00:00Z')",
                "self.start + duration('24h') == timestamp('2026-01-02T10:30:15Z')",
                "timestamp('2026-02-01T00:00:00Z') - timestamp('2026-01-01T00:00:00Z') == duration('744h')",
                "self.start.getFullYear() == 2026 && self.start.getMonth() == 0 && self.start.getDate() == 1 && self.start.getDayOfMonth() == 0",
                "self.start.getHours() == 10 && self.start.getMinutes() == 30 && self.start.getSeconds() == 15 && self.start.getDayOfWeek() == 4",
                "self.start.getHours('Europe/Prague') == 11 && self.start.getHours('-02:00') == 8",
                "string(duration('1h30m')) == '5400s' && duration('1.5s').getMilliseconds() == 1500",
                "string(self.start) == '2026-01-01T10:30:15Z'",
                "duration('-1h') < duration('0s')",
            ]
        ),
        (
            "strings",
            [
                "self.word.contains('b') && self.word.startsWith('a') && self.word.endsWith('c') && self.word.matches('^[a-c]+$') && !self.word.matches('z')",
                "size('äb') == 2 && self.word.size() == 3",
                "'a,b'.split(',') == ['a', 'b'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
                "self.words.join() == 'ab' && self.words.join(', ') == 'a, b' && self.words.isSorted()",
                "'abc'.substring(1) == 'bc' && 'abc'.substring(0, 2) == 'ab' && 'äbc'.charAt(1) == 'b'",
                "'abca'.indexOf('a') == 0 && 'abca'.indexOf('a', 1) == 3 && 'abca'.lastIndexOf('a') == 3 && 'a'.indexOf('z') == -1",
                "'AbC'.lowerAscii() == 'abc' && 'aä'.upperAscii() == 'Aä'",
                "' a '.trim() == 'a' && 'aa'.replace('a', 'b') == 'bb' && 'aaa'.replace('a', 'b', 2) == 'bba'",
                "'%d %s %.2f %x'.format([1, 'a', 1.5, 255]) == '1 a 1.50 ff'",
                "'%s'.format([[1, 2]]) == '[1, 2]'",
                "'abc 123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
            ]
        ),
        (
            "lists",
            [
                "self.list.sum() == 6 && [1.5, 1.5].sum() == 3.0",
                "self.list.min() == 1 && self.list.max() == 3",
                "!self.list.isSorted() && self.list.map(x, x * x).exists(x, x == 9)",
                "self.list.indexOf(1) == 1 && [1, 1].lastIndexOf(1) == 1 && self.list.indexOf(9) == -1",
                "sets.contains(self.list, [1, 2]) && !sets.contains([1], [2])",
                "sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1], [1, 2])",
                "self.tags == ['b', 'a']",
                "self.items.exists(i, i.name == 'b')",
            ]
        ),
        (
            "quantities",
            [
                "quantity('1Gi').isGreaterThan(quantity('500M')) && quantity('500m').isLessThan(quantity('1'))",
                "isQuantity('1.5Gi') && !isQuantity('x')",
                "quantity('1').add(quantity('500m')).compareTo(quantity('1500m')) == 0",
                "quantity('2k').sub(1000) == quantity('1k')",
                "quantity('2').isInteger() && quantity('2').asInteger() == 2 && !quantity('2500m').isInteger() && quantity('2500m').asApproximateFloat() == 2.5 && sign(quantity('-1')) == -1",
            ]
        ),
        (
            "networks",
            [
                "url('https://user@a.example:80/b/c?d=e&d=f').getHost() == 'a.example:80' && url('https://a.example:80/b').getHostname() == 'a.example' && url('https://a.example:80/b').getPort() == '80'",
                "url('https://a.example/b/c').getEscapedPath() == '/b/c' && url('https://a.example').getScheme() == 'https'",
                "url('https://a.example/?d=e&d=f').getQuery()['d'] == ['e', 'f'] && isURL('/path') && !isURL('nothing')",
                "ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && isIP('1.2.3.4') && !isIP('1.2.3') && ip('10.0.0.1').isGlobalUnicast()",
                "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.0.0.0/8').prefixLength() == 8 && !isCIDR('10.0.0.0')",
                "ip.isCanonical('::1') && string(ip('::1')) == '::1' && string(cidr('10.1.0.0/8').masked()) == '10.0.0.0/8'",
            ]
        ),
        (
            "optionals",
            [
                "self.?missing.orValue('x') == 'x'",
                "self.?num.hasValue() && self.?num.value() == 5",
                "self.?inner.?value.orValue(1) == 1",
                "self.labels[?'z'].orValue('') == '' && self.list[?0].orValue(0) == 3",
                "optional.of(1).value() == 1 && !optional.none().hasValue()",
                "[1, ?optional.none(), ?optional.of(2)] == [1, 2] && {?'a': optional.none()} == {}",
                "optional.of(1).optMap(x, x + 1).value() == 2 && optional.none().or(optional.of(1)).value() == 1",
                "!optional.ofNonZeroValue('').hasValue()",
            ]
        ),
    ];

    private const string Properties = """
        "num":{"type":"integer"},"missing":{"type":"string","maxLength":9},"empty":{"type":"object","properties":{"a":{"type":"string","maxLength":9}}},"none":{"type":"array","maxItems":3,"items":{"type":"integer"}},
        "zero":{"type":"integer"},"off":{"type":"boolean"},"blank":{"type":"string","maxLength":9},"nothing":{"type":"string","maxLength":9,"nullable":true},
        "inner":{"type":"object","properties":{"name":{"type":"string","maxLength":9},"value":{"type":"integer"}}},"labels":{"type":"object","maxProperties":5,"additionalProperties":{"type":"string","maxLength":9}},
        "with-dash":{"type":"string","maxLength":9},"namespace":{"type":"string","maxLength":9},"amount":{"x-kubernetes-int-or-string":true,"maxLength":9},"share":{"type":"number"},
        "list":{"type":"array","maxItems":5,"items":{"type":"integer"}},"tags":{"type":"array","maxItems":5,"x-kubernetes-list-type":"set","items":{"type":"string","maxLength":9}},
        "items":{"type":"array","maxItems":5,"items":{"type":"object","properties":{"name":{"type":"string","maxLength":9},"value":{"type":"integer"}}}},
        "words":{"type":"array","maxItems":5,"items":{"type":"string","maxLength":9}},"word":{"type":"string","maxLength":9},"length":{"type":"string","format":"duration","maxLength":9},"start":{"type":"string","format":"date-time","maxLength":30}
        """;

    private const string Sample = """
        "num":5,"empty":{},"none":[],"zero":0,"off":false,"blank":"","nothing":null,"inner":{"name":"a"},"labels":{"a/b":"x","c":"y"},"with-dash":"d","namespace":"n","amount":"2","share":0.5,
        "list":[3,1,2],"tags":["a","b"],"items":[{"name":"a"},{"name":"b"}],"words":["a","b"],"word":"abc","length":"90m","start":"2026-01-01T10:30:15Z"
        """;

    public static TheoryData<string, string> Libraries
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (library, _) in Cases)
            {
                data.Add(EveryApiServer.SandboxName, library);
                data.Add(EveryApiServer.RealName, library);
            }

            return data;
        }
    }

    [SkippableTheory, MemberData(nameof(Libraries))]
    public async Task True_expression_passes_and_its_negation_is_refused(string server, string library)
    {
        var api = await On(server);
        var expressions = Cases.Single(e => e.Library == library).Expressions;
        var accepting = await DefineAsync(api, Rules(expressions));
        var accepted = await api.PostAsync(accepting, Thing(accepting, "a", Sample));
        accepted.Code.Should().Be(201, "{0}: {1}", library, accepted.Text);
        var refusing = await DefineAsync(api, Rules([.. expressions.Select(e => $"!({e})")]));
        var refused = await api.PostAsync(refusing, Thing(refusing, "a", Sample));
        refused.Code.Should().Be(422, library);
        refused.Body!["details"]!["causes"]!
            .AsArray()
            .Select(c => (string?)c!["message"])
            .Should()
            .BeEquivalentTo(expressions.Select(e => $"Invalid value: failed rule: !({e})"));
    }

    public static TheoryData<string, string> Refusals { get; } =
        Rows(
            ("num\":1", "spec: Invalid value: plain"),
            ("num\":2", "spec: Invalid value: fallback"),
            ("num\":2,\"list\":[\"zz\"]", "spec: Invalid value: first is zz"),
            ("num\":3", "spec.num: Forbidden: no three"),
            ("num\":4", "spec: Invalid value: failed rule: !has(self.num) || self.num != 4"),
            ("num\":5", "spec.num: Required value: needed"),
            ("num\":6", "spec: Duplicate value"),
            (
                "num\":7",
                "spec: Invalid value: \"object\": no such key: list evaluating rule: !has(self.num) || self.num != 7 || self.list[9] == 'a'"
            ),
            (
                "num\":8",
                "spec: Invalid value: \"object\": division by zero evaluating rule: !has(self.num) || self.num != 8 || 10 / (self.num - 8) > 1"
            ),
            ("num\":9,\"list\":[]", "spec: Invalid value: \"object\": index out of bounds: 0 evaluating rule: at zero"),
            (
                "num\":10,\"amount\":true",
                "[spec.amount: Invalid value: \"boolean\": spec.amount in body must be of type integer,string: \"boolean\", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"
            ),
            (
                "num\":11,\"amount\":\"x\"",
                "spec: Invalid value: \"object\": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.num != 11 || self.amount > 1"
            ),
            (
                "list\":[\"a\",\"x\"],\"map\":{\"k/y\":\"x\"}",
                "spec.list[1]: Invalid value: \"x\": no x | spec.map[k/y]: Invalid value: \"x\": no x"
            ),
            ("list\":[\"a\",\"a\",\"a\"]", "spec.list: Invalid value: too many a"),
            ("free\":{\"a\":{\"b\":1}}", "spec.free: Invalid value: free is empty")
        );

    [SkippableTheory, MemberData(nameof(Refusals))]
    public async Task Refusal_names_the_field_and_the_reason(string fields, string message)
    {
        foreach (var server in (string[])[EveryApiServer.SandboxName, EveryApiServer.RealName])
        {
            var path = await DefineOnceAsync(
                server,
                "refusals",
                """
                "x-kubernetes-validations":[{"rule":"!has(self.num) || self.num != 1","message":"plain"},{"rule":"!has(self.num) || self.num != 2","messageExpression":"'first is ' + self.list[0]","message":"fallback"},
                {"rule":"!has(self.num) || self.num != 3","fieldPath":".num","reason":"FieldValueForbidden","message":"no three"},{"rule":"!has(self.num) || self.num != 4"},
                {"rule":"!has(self.num) || self.num != 5","fieldPath":".num","reason":"FieldValueRequired","message":"needed"},{"rule":"!has(self.num) || self.num != 6","reason":"FieldValueDuplicate","message":"double"},
                {"rule":"!has(self.num) || self.num != 7 || self.list[9] == 'a'"},{"rule":"!has(self.num) || self.num != 8 || 10 / (self.num - 8) > 1"},{"rule":"!has(self.num) || self.num != 9 || self.list[0] == 'a'","message":"at zero"},
                {"rule":"!has(self.num) || self.num != 11 || self.amount > 1","message":"self.num != 11 || self.amount > 1"}],
                "properties":{"num":{"type":"integer"},"amount":{"x-kubernetes-int-or-string":true},
                "list":{"type":"array","maxItems":5,"x-kubernetes-validations":[{"rule":"self.filter(x, x == 'a').size() < 3","message":"too many a"}],"items":{"type":"string","maxLength":9,"x-kubernetes-validations":[{"rule":"self != 'x'","message":"no x"}]}},
                "map":{"type":"object","maxProperties":5,"additionalProperties":{"type":"string","maxLength":9,"x-kubernetes-validations":[{"rule":"self != 'x'","message":"no x"}]}},
                "free":{"type":"object","maxProperties":5,"additionalProperties":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"x-kubernetes-validations":[{"rule":"self.size() == 0","message":"free is empty"}]}}
                """
            );
            var reply = await (await On(server)).PostAsync(path, Thing(path, "a", "\"" + fields));
            reply.Code.Should().Be(422, $"{server}: {reply.Text}");
            // kube-apiserver names the errors of several fields in a random order.
            string[] messages = message.Split(" | ") is [var one, var other] ? [$"[{one}, {other}]", $"[{other}, {one}]"] : [message];
            reply.Message.Should().StartWith("Thing.").And.Match(text => messages.Any(text.EndsWith), $"{server}: {message}");
        }
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Root_rule_sees_the_name_and_is_reported_without_a_field(string server)
    {
        var api = await On(server);
        var path = await DefineAsync(
            api,
            "\"properties\":{\"num\":{\"type\":\"integer\"}}",
            root: "\"x-kubernetes-validations\":[{\"rule\":\"self.metadata.name != 'bad' && self.kind == 'Thing'\",\"message\":\"bad name\"}],"
        );
        (await api.PostAsync(path, Thing(path, "good", "\"num\":1"))).Code.Should().Be(201);
        var reply = await api.PostAsync(path, Thing(path, "bad", "\"num\":1"));
        reply.Code.Should().Be(422);
        reply.Message.Should().EndWith("\"bad\" is invalid: <nil>: Invalid value: bad name");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Transition_rule_compares_with_the_value_before(string server)
    {
        var api = await On(server);
        var path = await DefineAsync(
            api,
            """
            "x-kubernetes-validations":[{"rule":"oldSelf.hasValue() || self.num != 9","optionalOldSelf":true,"message":"nine is for updates"},{"rule":"self.num >= oldSelf.num","message":"may only grow"}],"required":["num"],
            "properties":{"num":{"type":"integer"},"fixed":{"type":"string","maxLength":9,"x-kubernetes-validations":[{"rule":"self == oldSelf","message":"is fixed"}]},
            "parts":{"type":"array","maxItems":5,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],
            "properties":{"name":{"type":"string","maxLength":9},"value":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf","message":"part may only grow"}]}}}}}
            """
        );
        (await api.PostAsync(path, Thing(path, "a", "\"num\":9"))).Message.Should().EndWith("spec: Invalid value: nine is for updates");
        (
            await api.PostAsync(
                path,
                Thing(path, "a", "\"num\":8,\"fixed\":\"f\",\"parts\":[{\"name\":\"a\",\"value\":1},{\"name\":\"b\",\"value\":5}]")
            )
        )
            .Code.Should()
            .Be(201);
        (await PatchAsync("{\"num\":9}")).Code.Should().Be(200);
        (await PatchAsync("{\"num\":7}")).Message.Should().EndWith("spec: Invalid value: may only grow");
        (await PatchAsync("{\"fixed\":\"g\"}")).Message.Should().EndWith("spec.fixed: Invalid value: \"g\": is fixed");
        (await PatchAsync("{\"parts\":[{\"name\":\"b\",\"value\":4},{\"name\":\"a\",\"value\":1},{\"name\":\"c\",\"value\":0}]}"))
            .Message.Should()
            .EndWith("spec.parts[0].value: Invalid value: 4: part may only grow");
        (await PatchAsync("{\"fixed\":null}")).Code.Should().Be(200);
        (await PatchAsync("{\"fixed\":\"g\"}")).Code.Should().Be(200, "the field is set anew");

        Task<Reply> PatchAsync(string spec) => api.PatchAsync($"{path}/a", $"{{\"spec\":{spec}}}", "merge");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Unchanged_value_that_violates_a_new_rule_warns_and_is_kept(string server)
    {
        var api = await On(server);
        var path = await DefineAsync(
            api,
            "\"properties\":{\"word\":{\"type\":\"string\",\"maxLength\":9},\"num\":{\"type\":\"integer\"},\"list\":{\"type\":\"array\",\"maxItems\":3,\"items\":{\"type\":\"integer\"}}}"
        );
        (await api.PostAsync(path, Thing(path, "old", "\"word\":\"b\",\"list\":[0]"))).Code.Should().Be(201);
        var crd = $"{Crds}/things.{path.Split('/')[2]}";
        (
            await api.PatchAsync(
                crd,
                """
                [{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/word/x-kubernetes-validations","value":[{"rule":"self.startsWith('a')","message":"starts with a"}]},
                {"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/list/items/x-kubernetes-validations","value":[{"rule":"self > 0","message":"above zero"}]}]
                """,
                "json"
            )
        ).Code.Should().Be(200);
        Reply refused;
        var deadline = DateTime.UtcNow.AddSeconds(30);
        while (
            (refused = await api.PostAsync(path + "?dryRun=All", Thing(path, "new", "\"word\":\"b\""))).Code == 201
            && DateTime.UtcNow < deadline
        )
        {
            await Task.Delay(100);
        }

        refused.Message.Should().EndWith("spec.word: Invalid value: \"b\": starts with a");
        var kept = await api.PatchAsync($"{path}/old", "{\"spec\":{\"num\":1}}", "merge");
        kept.Code.Should().Be(200, kept.Text);
        kept.Warnings.Should()
            .BeEquivalentTo(
                "299 - \"spec.word: Invalid value: \\\"b\\\": starts with a\"",
                "299 - \"spec.list[0]: Invalid value: 0: above zero\""
            );
        (await api.PatchAsync($"{path}/old", "{\"spec\":{\"word\":\"c\"}}", "merge"))
            .Message.Should()
            .EndWith("spec.word: Invalid value: \"c\": starts with a");
        (await api.PatchAsync($"{path}/old", "{\"spec\":{\"list\":[0,1]}}", "merge"))
            .Message.Should()
            .EndWith("spec.list[0]: Invalid value: 0: above zero");
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Status_is_judged_on_its_own_subresource(string server)
    {
        var api = await On(server);
        var path = await DefineAsync(
            api,
            "\"properties\":{\"num\":{\"type\":\"integer\"}}",
            root: "\"x-kubernetes-validations\":[{\"rule\":\"!has(self.status) || self.status.num > 0\",\"message\":\"above zero\"}],"
        );
        (await api.PostAsync(path, Thing(path, "a", "\"num\":1"))).Code.Should().Be(201);
        (await api.PatchAsync($"{path}/a/status", "{\"status\":{\"num\":1}}", "merge")).Code.Should().Be(200);
        (await api.PatchAsync($"{path}/a/status", "{\"status\":{\"num\":0}}", "merge"))
            .Message.Should()
            .EndWith("is invalid: <nil>: Invalid value: above zero");
    }

    public static TheoryData<string, string> Mistakes { get; } =
        Rows(
            (
                """{"rule":"self.nope == 1"}""",
                "compilation failed: ERROR: <input>:1:5: undefined field 'nope'\n | self.nope == 1\n | ....^"
            ),
            (
                """{"rule":"other == 1"}""",
                "compilation failed: ERROR: <input>:1:1: undeclared reference to 'other' (in container '')\n | other == 1\n | ^"
            ),
            (
                """{"rule":"self.num.foo()"}""",
                "compilation failed: ERROR: <input>:1:13: undeclared reference to 'foo' (in container '')\n | self.num.foo()\n | ............^"
            ),
            (
                """{"rule":"foo(1)"}""",
                "compilation failed: ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo(1)\n | ...^"
            ),
            (
                """{"rule":"self.num == 'a'"}""",
                "compilation failed: ERROR: <input>:1:10: found no matching overload for '_==_' applied to '(int, string)'\n | self.num == 'a'\n | .........^"
            ),
            (
                """{"rule":"size(self.num) == 1"}""",
                "compilation failed: ERROR: <input>:1:5: found no matching overload for 'size' applied to '(int)'\n | size(self.num) == 1\n | ....^"
            ),
            (
                """{"rule":"self.num && true"}""",
                "compilation failed: ERROR: <input>:1:5: expected type 'bool' but found 'int'\n | self.num && true\n | ....^"
            ),
            (
                """{"rule":"[1].foo"}""",
                "compilation failed: ERROR: <input>:1:4: type 'list(int)' does not support field selection\n | [1].foo\n | ...^"
            ),
            ("""{"rule":"has(self)"}""", "compilation failed: ERROR: <input>:1:5: invalid argument to has() macro\n | has(self)\n | ....^"),
            (
                """{"rule":"self.num\n > 1","messageExpression":"'a'"}""",
                ".message: Required value: message must be specified if rule contains line breaks"
            ),
            (
                """{"rule":"self.num\n > self.nope","message":"x"}""",
                "compilation failed: ERROR: <input>:2:8: undefined field 'nope'\n |  > self.nope\n | .......^"
            ),
            ("""{"rule":"self.num + "}""", "compilation failed: ERROR: <input>:1:12: Syntax error: "),
            ("""{"rule":"self.num"}""", "cel expression must evaluate to a bool"),
            ("""{"rule":"true","messageExpression":"self.num"}""", "messageExpression must evaluate to a string"),
            (
                """{"rule":"true","messageExpression":"self.nope"}""",
                "messageExpression compilation failed: ERROR: <input>:1:5: undefined field 'nope'"
            ),
            ("""{"rule":"true","fieldPath":".nope"}""", ".fieldPath: Invalid value: \".nope\": must be a valid path"),
            (
                """{"rule":"true","reason":"Nonsense"}""",
                ".reason: Unsupported value: \"Nonsense\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\""
            ),
            ("""{"rule":" "}""", ".rule: Required value: rule is not specified"),
            ("""{"rule":"true","message":"a\nb"}""", ".message: Invalid value: \"a\\nb\": must not contain line breaks"),
            (
                """{"rule":"self.num == 1","optionalOldSelf":true}""",
                ".optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
            )
        );

    [SkippableTheory, MemberData(nameof(Mistakes))]
    public async Task Definition_with_a_rule_that_does_not_compile_is_refused(string rule, string message)
    {
        foreach (var server in (string[])[EveryApiServer.SandboxName, EveryApiServer.RealName])
        {
            var reply = await (await On(server)).PostAsync(
                Crds,
                Definition(Group(), $"\"x-kubernetes-validations\":[{rule}],\"properties\":{{\"num\":{{\"type\":\"integer\"}}}}")
            );
            reply.Code.Should().Be(422, server);
            reply
                .Message.Should()
                .Contain("openAPIV3Schema.properties[spec].x-kubernetes-validations[0]", server)
                .And.Contain(message, server);
        }
    }

    [SkippableTheory, MemberData(nameof(Servers))]
    public async Task Definition_whose_list_items_cannot_be_matched_has_no_transition_rules_there(string server)
    {
        var api = await On(server);
        var reply = await api.PostAsync(
            Crds,
            Definition(
                Group(),
                """
                "properties":{"list":{"type":"array","maxItems":3,"items":{"type":"string","maxLength":9,"x-kubernetes-validations":[{"rule":"self == oldSelf"}]}}}
                """
            )
        );
        reply.Code.Should().Be(422);
        reply
            .Message.Should()
            .Contain(
                "properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within "
            )
            .And.EndWith("properties[spec].properties[list]");
    }

    private static TheoryData<string, string> Rows(params ReadOnlySpan<(string, string)> rows)
    {
        var data = new TheoryData<string, string>();
        foreach (var (first, second) in rows)
        {
            data.Add(first, second);
        }

        return data;
    }

    /// <summary>The path of a kind that the rows of one theory share.</summary>
    private async Task<string> DefineOnceAsync(string server, string name, string spec) =>
        Defined.TryGetValue((server, name), out var path) ? path : Defined[(server, name)] = await DefineAsync(await On(server), spec);

    private static string Rules(string[] expressions) =>
        $"\"x-kubernetes-validations\":{new JsonArray([.. expressions.Select(e => (JsonNode)new JsonObject { ["rule"] = e })]).ToJsonString()},\"properties\":{{{Properties}}}";

    private static string Thing(string path, string name, string spec) =>
        """
            {"apiVersion":"GROUP/v1","kind":"Thing","metadata":{"name":"NAME"},"spec":{SPEC}}
            """.Replace("GROUP", path.Split('/')[2]).Replace("NAME", name).Replace("SPEC", spec);

    /// <summary>Defines a kind whose spec has this schema and returns the path of its collection in a new namespace.</summary>
    private static async Task<string> DefineAsync(ApiServerUnderTest api, string spec, string root = "")
    {
        var group = Group();
        var reply = await api.PostAsync(Crds, Definition(group, spec, root));
        reply.Code.Should().Be(201, reply.Text);
        var path = $"/apis/{group}/v1/namespaces/{await api.NamespaceAsync()}/things";
        await api.UntilAsync($"{Crds}/things.{group}", r =>
            r.Body!["status"]?["conditions"] is JsonArray c
            && c.Any(x => (string?)x!["type"] == "Established" && (string?)x["status"] == "True")
        );
        await api.UntilAsync(path, r => r.Code == 200);
        return path;
    }

    private static string Group() => $"cel{Interlocked.Increment(ref _last)}-{Environment.ProcessId}.example.dev";

    private static string Definition(string group, string spec, string root = "") =>
        """
            {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.GROUP"},
            "spec":{"group":"GROUP","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
            "schema":{"openAPIV3Schema":{"type":"object",ROOT"properties":{"spec":{"type":"object",SPEC},"status":{"type":"object","properties":{"num":{"type":"integer"}}}}}}}]}}
            """.Replace("GROUP", group).Replace("SPEC", spec).Replace("ROOT", root);
}
