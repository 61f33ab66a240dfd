// The types that rollcall.json has to have: those that Grafana publishes, tied to the two kinds of panels that it uses.
// `cargo xtask ci` puts the dashboard behind this and has it checked.

import * as grafana from '@grafana/schema';
import {
  AnnotationQuery,
  Dashboard,
  FieldConfig,
  FieldConfigSource,
  Panel,
  RowPanel,
} from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A type once it is written as JSON: the values of an enumeration in place of their names. */
type Json<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${T}` extends `${infer N extends number}` ? N : T
    : T extends Array<infer U>
      ? Array<Json<U>>
      : T extends object
        ? { [K in keyof T]: Json<T[K]> }
        : T;

/** What Prometheus is asked. Its plugin publishes no types. */
interface Query {
  refId: string;
  expr: string;
  legendFormat: string;
  datasource: grafana.DataSourceRef;
  editorMode: 'code';
  instant?: true;
  range?: true;
}

type Config<Custom> = Omit<FieldConfigSource, 'defaults'> & {
  defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom };
};

/** A panel of one kind, with a title, a description and something to show. */
type Of<Kind, Options, Custom> = Omit<Panel, 'fieldConfig' | 'options' | 'targets' | 'type'> & {
  type: Kind;
  title: string;
  description: string;
  options: Options;
  fieldConfig: Config<Custom>;
  targets: Query[];
};

type Stat = Of<'stat', stat.Options, never>;
type TimeSeries = Of<'timeseries', timeseries.Options, timeseries.FieldConfig>;

/** As the plugin of Prometheus extends it. */
type Annotation = Omit<AnnotationQuery, 'target'> & {
  target?: { refId: string; expr: string; interval: string };
  textFormat?: string;
  titleFormat?: string;
};

type Rollcall = Omit<Dashboard, 'annotations' | 'panels'> & {
  annotations: { list: Annotation[] };
  panels: Array<RowPanel | Stat | TimeSeries>;
};
